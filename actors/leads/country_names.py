"""By which letters, ISO 3166, a country is known that somebody has named. Pure.

What it is called in the languages from which lists come, and its three letters, `babel` says (CLDR); what people write
otherwise stands here.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache

from babel import Locale
from babel.core import get_global

from actors.telephony import numbers
from actors.telephony.cells import plain_name

# Of those whose countries' numbers are in lists here; each costs a process ten milliseconds, once.
_LANGUAGES = (
    "en", "uk", "ru", "de", "pl", "be", "bg", "ro", "hu", "cs",
    "sk", "lt", "lv", "et", "tr", "fr", "es", "it", "pt", "nl",
)  # fmt: skip
_OTHERWISE = {
    "UA": "ukrajina, укр",
    "PL": "польська республіка, republic of poland, rzeczpospolita polska",
    "DE": "brd, фрн, фрг, federal republic of germany",
    "GB": "great britain, великобританія, сполучене королівство, соединенное королевство, england, scotland, wales, "
    "англія, англия, шотландія, шотландия, anglia, britain, британія, британия, großbritannien",
    "US": "united states of america, u s a, u s, сша, америка, america, ameryka",
    "CZ": "czech republic, чеська республіка, чешская республика, tschechische republik, republika czeska",
    "SK": "slovak republic, словацька республіка, словацкая республика",
    "MD": "молдавия, молдавія, republic of moldova, республіка молдова, республика молдова, moldawien",
    "BY": "білорусія, белоруссия, белорусь, belorussia, weißrussland, bialorus, republic of belarus",
    "RU": "russian federation, російська федерація, российская федерация, рф, russische föderation",
    "TR": "turkey, türkiye",
    "NL": "holland, голландія, голландия, the netherlands, holandia",
    "KR": "korea, корея, южная корея, republic of korea, республіка корея",
    "IT": "italia",
    "ES": "españa",
    "PT": "portugalia",
    "AE": "uae, оае, оаэ, emirates, емірати, эмираты",
    "KG": "киргизия, киргизія, киргизстан",
    "TM": "туркмения, туркменія",
    "MK": "macedonia, македонія, македония, mazedonien, macedonia północna",
    "CN": "кнр, prc",
    "IE": "republic of ireland, eire",
    "CH": "schweiz, suisse, svizzera",
    "VN": "viet nam, вьетнам, вєтнам",
    "IR": "islamic republic of iran",
    "SY": "syrian arab republic",
    "ZA": "юар, пар, rpa, south africa",
    "BA": "bosnia, боснія, босния",
    "HK": "hong kong, гонконг, hongkong",
}


def letters_of(name: str) -> str:
    """The two letters of the country that is called so; empty: nobody knows one."""
    return _names().get(_folded(name), "")


@cache
def _names() -> dict[str, str]:
    """Two letters by name; a name that two countries have is none."""
    found: dict[str, set[str]] = {}
    for name, letters in _pairs():
        if letters in numbers.COUNTRIES:
            found.setdefault(_folded(name), set()).add(letters)
    return {name: letters.pop() for name, letters in found.items() if len(letters) == 1}


def _pairs() -> Iterator[tuple[str, str]]:
    for language in _LANGUAGES:
        yield from ((name, letters) for letters, name in Locale.parse(language).territories.items())
    for other, now in get_global("territory_aliases").items():
        if len(other) == 3 and other.isalpha() and len(now) == 1:
            yield other, now[0]
    for letters, names in _OTHERWISE.items():
        yield from ((name, letters) for name in names.split(", "))


def _folded(name: str) -> str:
    """Without what people leave out: marks on letters, too."""
    apart = unicodedata.normalize("NFKD", plain_name(name))
    return "".join(character for character in apart if not unicodedata.combining(character))
