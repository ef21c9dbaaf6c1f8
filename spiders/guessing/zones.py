"""The time zones that a page's language or country tells. Pure."""

from typing import Final

_BY_LANGUAGE: Final = {
    "ko": "Asia/Seoul",
    "ja": "Asia/Tokyo",
    "th": "Asia/Bangkok",
    "vi": "Asia/Ho_Chi_Minh",
    "he": "Asia/Jerusalem",
    "ka": "Asia/Tbilisi",
    "hy": "Asia/Yerevan",
    "mn": "Asia/Ulaanbaatar",
    "ne": "Asia/Kathmandu",
    "si": "Asia/Colombo",
    "de": "Europe/Berlin",
    "it": "Europe/Rome",
    "pl": "Europe/Warsaw",
    "cs": "Europe/Prague",
    "sk": "Europe/Bratislava",
    "hu": "Europe/Budapest",
    "sv": "Europe/Stockholm",
    "da": "Europe/Copenhagen",
    "nb": "Europe/Oslo",
    "nn": "Europe/Oslo",
    "no": "Europe/Oslo",
    "fi": "Europe/Helsinki",
    "et": "Europe/Tallinn",
    "lv": "Europe/Riga",
    "lt": "Europe/Vilnius",
    "sl": "Europe/Ljubljana",
    "hr": "Europe/Zagreb",
    "bg": "Europe/Sofia",
    "uk": "Europe/Kyiv",
    "tr": "Europe/Istanbul",
    "el": "Europe/Athens",
    "is": "Atlantic/Reykjavik",
    "zh-tw": "Asia/Taipei",
    "zh-hant-tw": "Asia/Taipei",
    "zh-hk": "Asia/Hong_Kong",
    "zh-cn": "Asia/Shanghai",
    "zh-hans": "Asia/Shanghai",
    "zh-hans-cn": "Asia/Shanghai",
    "en-gb": "Europe/London",
    "en-ie": "Europe/Dublin",
    "en-in": "Asia/Kolkata",
    "fr-fr": "Europe/Paris",
    "nl-nl": "Europe/Amsterdam",
    "es-es": "Europe/Madrid",
}
"""IANA zones of the languages that are written in one of them; English, Spanish, French, Russian and others are not."""
_BY_COUNTRY: Final = {
    "kr": "Asia/Seoul",
    "jp": "Asia/Tokyo",
    "tw": "Asia/Taipei",
    "cn": "Asia/Shanghai",
    "hk": "Asia/Hong_Kong",
    "fr": "Europe/Paris",
    "nl": "Europe/Amsterdam",
    "be": "Europe/Brussels",
    "at": "Europe/Vienna",
    "ch": "Europe/Zurich",
    "uk": "Europe/London",
    "ie": "Europe/Dublin",
    "sg": "Asia/Singapore",
    "ph": "Asia/Manila",
    "ar": "America/Argentina/Buenos_Aires",
    "pe": "America/Lima",
    "ro": "Europe/Bucharest",
}
"""IANA zones of countries that have one, by the end of a host's name: asked where the language does not tell."""


def zone_of(language: str, country: str) -> str:
    """The IANA zone of a language ("ko", "zh-cn"), or of a country's end of host names ("tw"); "" where unknown."""
    main = language.partition("-")[0]
    return _BY_LANGUAGE.get(language) or _BY_LANGUAGE.get(main) or _BY_COUNTRY.get(country, "")
