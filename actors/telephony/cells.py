"""The number that a spreadsheet has written in its own way, and how people call a column of numbers. Pure.

Whether something is a number is not said here: that is `numbers.py`, for everybody.
"""

import re
import string

from actors.telephony.numbers import NotANumber

# A column of figures, as programs write it: its places after the dot say nothing, and no figure begins with 0.
_FIGURE = re.compile(r"\s*([1-9][0-9]{8,14})[.,]0{1,2}\s*\Z")
_EXPONENT = re.compile(r"\s*'?[+-]?[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+\s*\Z")
_ALL_DIGITS = re.compile(r"\s*'?\+?([0-9])[.,]([0-9]+)[eE]\+?([0-9]{1,2})\s*\Z")
_TEXT_FORMULA = re.compile(r'\s*="([^"]*)"\s*\Z')  # as a spreadsheet keeps the 0 before a number
_SEPARATORS = re.compile(r"[\s_\-./:()\[\]#]+")
_WORD_BEGINS = re.compile(r"(?<=[a-z])(?=[A-Z])")  # `PhoneNumber`, as programs name columns
_LETTER_BY_LETTER = re.compile(r"\b([^\W\d_]) (?=[^\W\d_]\b)")  # of `N.A.M.E.`
_APOSTROPHES = str.maketrans("", "", "'\u2019\u02bc`\u2018")

# What people call a column of numbers in English, Ukrainian and Russian, as `plain_name` writes it; and what it may be.
NUMBER_NAMES = (
    "phone, phone number, phone no, telephone, telephone number, tel, tel no, mobile, mobile phone, mobile number, "
    "cell, cell phone, cellphone, contact number, contact phone, home phone, work phone, business phone, msisdn, "
    "primary phone, main phone, alt phone, alternate phone, second phone, other phone, landline, phone mobile, "
    "phone home, phone work, телефон, номер телефону, номер тел, тел, моб, моб тел, моб телефон, мобільний, "
    "мобільний телефон, мобільний номер, контактний телефон, контактний номер, робочий телефон, домашній телефон, "
    "додатковий телефон, основний телефон, інший телефон, міський телефон, стаціонарний телефон, телефони, "
    "другий телефон, дод телефон, дод тел, дод номер, роб телефон, роб тел, осн телефон, осн тел, дом телефон, "
    "дом тел, доп телефон, доп тел, доп номер, раб телефон, раб тел, второй телефон, "
    "номер телефона, мобильный, мобильный телефон, мобильный номер, сотовый, сотовый телефон, контактный телефон, "
    "контактный номер, рабочий телефон, домашний телефон, дополнительный телефон, основной телефон, "
    "другой телефон, городской телефон, стационарный телефон, телефоны, № телефону, № телефона, № тел, "
    "тел моб, тел дом, тел роб, тел раб, тел осн, тел дод, тел доп, тел клієнта, тел клиента, тел абонента, "
    "телефон моб, телефон дом, телефон роб, телефон раб, телефон осн, телефон дод, телефон доп, телефон мобільний, "
    "телефон домашній, телефон робочий, телефон основний, телефон додатковий, телефон контактний, телефон клієнта, "
    "телефон мобильный, телефон сотовый, телефон домашний, телефон рабочий, телефон основной, "
    "телефон дополнительный, телефон контактный, телефон клиента, телефон абонента"
)
PERHAPS_NUMBER = "number, номер"


class DigitsLost(NotANumber):
    """A spreadsheet has rounded the number: what it was nobody can say."""


def number_text(cell: str) -> str:
    """The number of a cell as somebody would write it. Raises DigitsLost."""
    if _EXPONENT.match(cell):
        return _written_out(cell)
    found = _FIGURE.match(cell) or _TEXT_FORMULA.match(cell)
    return found[1] if found else cell


def _written_out(cell: str) -> str:
    """The figure of `3.80991230016E+11`, all digits of which are there. Where it has fewer places than its power they
    are lost, or were zeros: nobody can say."""
    found = _ALL_DIGITS.match(cell)
    if found is None or len(found[2]) != int(found[3]):
        raise DigitsLost("a spreadsheet wrote it with an exponent, and digits are lost. Make the column a text there")
    return found[1] + found[2]


def plain_name(name: str) -> str:
    """The name of a column without what people write it with."""
    plain = _SEPARATORS.sub(" ", _WORD_BEGINS.sub(" ", name).casefold().translate(_APOSTROPHES)).strip()
    return _LETTER_BY_LETTER.sub(r"\1", plain)


def without_figure(plain: str) -> str:
    """Without the figure behind it: `phone 2`."""
    return plain.rstrip(string.digits).rstrip()
