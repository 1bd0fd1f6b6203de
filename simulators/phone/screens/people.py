"""The people in the messenger's address book. What each does when called follows from the number's last four digits,
as in the carrier's table. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """Somebody with a number, named in both languages."""

    name: tuple[str, str]
    number: str


PEOPLE = (
    Person(("Andrii Shevchenko", "Андрій Шевченко"), "+380501110001"),  # busy
    Person(("Bohdan Lysenko", "Богдан Лисенко"), "+380501112010"),  # answers, hangs up after 10 s
    Person(("Daryna Tkach", "Дарина Ткач"), "+380671113005"),  # rings, then is busy
    Person(("Halyna Melnyk", "Галина Мельник"), "+380671110003"),  # declines
    Person(("Ihor Kravets", "Ігор Кравець"), "+380631110006"),  # answers, hangs up after 3 s
    Person(("Kateryna Bilyk", "Катерина Білик"), "+380631111005"),  # answers after 5 s
    Person(("Mariia Bondar", "Марія Бондар"), "+380501110002"),  # does not answer
    Person(("Nazar Her'iak", "Назар Гер'як"), "+380671110005"),  # cannot be reached
    Person(("Oksana & Petro", "Оксана & Петро"), "+380931111002"),
    Person(("Olena Koval", "Олена Коваль"), "+380671110007"),  # answers at once
    Person(("Roman \"Romko\" Hnatiuk", "Роман «Ромко» Гнатюк"), "+380931112234"),
    Person(("Sofiia Zaiets", "Софія Заєць"), "+380991111234"),  # answers
    Person(("Taras Yurchenko", "Тарас Юрченко"), "+380991112003"),
    Person(("Yuliia Moroz", "Юлія Мороз"), "+380681111001"),
)
NOBODY = "0004"  # numbers that end so belong to no user


def found(text: str, language: int) -> list[Person]:
    """Whom a search finds: by a part of the name, in any case, or of the number."""
    wanted = text.strip().casefold()
    digits = "".join(letter for letter in wanted if letter.isdecimal())
    return [
        person
        for person in PEOPLE
        if wanted in person.name[language].casefold() or (len(digits) > 2 and digits in person.number)
    ]


def person_of(number: str) -> Person | None:
    """Who has a number: a known person, or a user who is in no address book. None: nobody."""
    known = next((person for person in PEOPLE if person.number == number), None)
    if known is not None or number.endswith(NOBODY) or len(number) < 8:
        return known
    return Person((number, number), number)
