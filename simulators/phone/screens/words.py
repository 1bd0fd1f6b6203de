"""Everything that the screens say, in English and Ukrainian. Pure."""

from collections.abc import Mapping

from simulators.phone.screens.profile import Language

WORDS: Mapping[str, tuple[str, str]] = {
    "phone": ("Phone", "Телефон"),
    "settings": ("Settings", "Налаштування"),
    "messenger": ("Telegram", "Telegram"),
    "all apps": ("All apps", "Усі програми"),
    "app info": ("App info", "Про програму"),
    "back": ("Back", "Назад"),
    "home": ("Home", "Головний екран"),
    "recents": ("Recents", "Нещодавні"),
    "navigate up": ("Navigate up", "Перейти вгору"),
    "cancel": ("Cancel", "Скасувати"),
    "ok": ("OK", "OK"),
    # the dialler and its calls
    "keypad": ("Keypad", "Клавіатура"),
    "call": ("Call", "Виклик"),
    "delete": ("Delete", "Видалити"),
    "no calls": ("No recent calls", "Немає нещодавніх викликів"),
    "dialling": ("Calling…", "Набір номера…"),
    "alerting": ("Ringing…", "Дзвінок…"),
    "incoming": ("Incoming call", "Вхідний виклик"),
    "on hold": ("On hold", "Утримується"),
    "call ended": ("Call ended", "Виклик завершено"),
    "end call": ("End call", "Завершити виклик"),
    "answer": ("Answer", "Відповісти"),
    "decline": ("Decline", "Відхилити"),
    "mute": ("Mute", "Без звуку"),
    "speaker": ("Speaker", "Динамік"),
    "which sim": ("Choose SIM for this call", "Виберіть SIM-карту для виклику"),
    "ussd running": ("USSD code running…", "Виконується USSD-код…"),
    "balance": ("Balance: 142.50 UAH. Valid until 31.12.", "Баланс: 142,50 грн. Діє до 31.12."),
    # settings
    "network": ("Network & internet", "Мережа й Інтернет"),
    "connections": ("Connections", "Підключення"),
    "internet": ("Internet", "Інтернет"),
    "wifi": ("Wi-Fi", "Wi-Fi"),
    "airplane": ("Airplane mode", "Режим польоту"),
    "sims": ("SIM cards", "SIM-карти"),
    "sim manager": ("SIM manager", "Диспетчер SIM-карт"),
    "sim": ("SIM", "SIM"),
    "calls by": ("Preferred SIM for calls", "SIM-карта для викликів"),
    "ask each time": ("Ask every time", "Завжди запитувати"),
    "apps": ("Apps", "Програми"),
    "about": ("About phone", "Про телефон"),
    "on": ("On", "Увімкнено"),
    "off": ("Off", "Вимкнено"),
    "display": ("Display", "Екран"),
    "battery": ("Battery", "Акумулятор"),
    "sound": ("Sound", "Звук"),
    "storage": ("Storage & cache", "Сховище та кеш"),
    "clear storage": ("Clear storage", "Очистити сховище"),
    "clear data": ("Clear data", "Очистити дані"),
    "clear data?": ("Clear app data?", "Очистити дані програми?"),
    "data goes": (
        "This app's data, including files and settings, will be permanently deleted from this device.",
        "Дані цієї програми, зокрема файли й налаштування, буде назавжди видалено з пристрою.",
    ),
    "used": ("App data: 48 MB", "Дані програми: 48 МБ"),
    "nothing used": ("App data: 0 B", "Дані програми: 0 Б"),
    "force stop": ("Force stop", "Зупинити примусово"),
    "force stop?": ("Force stop?", "Зупинити примусово?"),
    "misbehave": (
        "If you force stop an app, it may misbehave.", "Примусово зупинена програма може працювати неправильно."
    ),
    "device name": ("Device name", "Назва пристрою"),
    "model": ("Model", "Модель"),
    "serial": ("Serial number", "Серійний номер"),
    "version": ("Android version", "Версія Android"),
    "imei": ("IMEI", "IMEI"),
    "operator": ("Network", "Мережа"),
    # the messenger
    "contacts": ("Contacts", "Контакти"),
    "search": ("Search", "Пошук"),
    "nobody": ("No results", "Нічого не знайдено"),
    "message": ("Message", "Повідомлення"),
    "send": ("Send", "Надіслати"),
    "profile": ("View profile", "Переглянути профіль"),
    "more": ("More options", "Інші варіанти"),
    "voice call": ("Voice call", "Голосовий виклик"),
    "start": ("Start Messaging", "Почати спілкування"),
    "welcome": ("The world's fastest messaging app.", "Найшвидший месенджер у світі."),
    "last seen": ("last seen recently", "був(ла) нещодавно"),
    "requesting": ("Requesting…", "З'єднання…"),
    "ringing": ("Ringing…", "Дзвонимо…"),
    "busy": ("Line busy", "Лінія зайнята"),
    "no answer": ("No answer", "Немає відповіді"),
    "declined": ("Call declined", "Виклик відхилено"),
    "failed": ("Failed to connect", "Не вдалося з'єднатися"),
    "not a user": (
        "Sorry, this user doesn't seem to exist.", "На жаль, такого користувача немає."
    ),
    "in a call": (
        "You are in a phone call. End it first.", "Ви розмовляєте по телефону. Спершу завершіть виклик."
    ),
    # what comes in between
    "allow": ("Allow", "Дозволити"),
    "do not allow": ("Don't allow", "Не дозволяти"),
    "microphone": ("Allow Telegram to record audio?", "Дозволити Telegram записувати аудіо?"),
    "notifications": ("Allow Telegram to send you notifications?", "Дозволити Telegram надсилати вам сповіщення?"),
    "update": ("Update available", "Доступне оновлення"),
    "update text": ("A new version of the system is ready to install.", "Нова версія системи готова до встановлення."),
    "update now": ("Install now", "Установити зараз"),
    "later": ("Later", "Пізніше"),
    "battery low": ("Battery low", "Низький заряд акумулятора"),
    "battery text": ("15% remaining. Battery Saver may be turned on.", "Залишилося 15%. Можна ввімкнути заощадження."),
    "got it": ("Got it", "Зрозуміло"),
    # the lock
    "swipe up": ("Swipe up to unlock", "Проведіть угору, щоб розблокувати"),
    "enter pin": ("Enter PIN", "Введіть PIN-код"),
    "wrong pin": ("Wrong PIN", "Неправильний PIN-код"),
    "try later": ("Try again in 30 seconds", "Повторіть спробу через 30 секунд"),
    "enter": ("Enter", "Ввести"),
    "space": ("space", "пробіл"),
}  # fmt: skip

LETTERS = {
    Language.ENGLISH: ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    Language.UKRAINIAN: ("1234567890", "йцукенгшщзхї", "фівапролджє", "ячсмитьбюґ"),
}


class Words:
    """What is said in one language."""

    def __init__(self, language: Language) -> None:
        self._place = list(Language).index(language)

    def __getitem__(self, name: str) -> str:
        return WORDS[name][self._place]

    def of(self, both: tuple[str, str]) -> str:
        """One of two texts."""
        return both[self._place]
