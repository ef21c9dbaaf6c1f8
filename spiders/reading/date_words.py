"""The words that dates are written with: months, weekdays, zones, "yesterday" and "3 hours ago" by language."""

from typing import Final

_MONTHS: Final = (
    # English, German, French, Italian, Spanish, Portuguese, Dutch, Indonesian, Polish, Swedish, Turkish, Russian
    "january januar jänner janvier gennaio enero janeiro januari ocak stycznia января "
    "январь jan janv gen ene янв sty oca",
    "february februar février fevrier febbraio febrero fevereiro februari şubat lutego "
    "февраля февраль feb febr fév fev "
    "févr feb. фев şub lut peb",
    "march märz maerz mars marzo março marco maart maret mart marca марта март mar mär mrz mrt mär. мар",
    "april avril aprile abril nisan kwietnia апреля апрель apr avr abr апр nis kwi",
    "may mai maggio mayo maio mei maj mayıs maja мая май mag maı",
    "june juni juin giugno junio junho haziran czerwca июня июнь jun giu июн haz cze",
    "july juli juillet luglio julio julho temmuz lipca июля июль jul juil lug июл tem lip",
    "august août aout agosto augustus augusti agustus ağustos sierpnia августа август aug aoû ago ags agu авг ağu sie",
    "september septembre settembre septiembre setembro eylül września сентября сентябрь sep sept set sett сен eyl wrz",
    "october oktober octobre ottobre octubre outubro ekim października октября октябрь oct okt ott out окт eki paź",
    "november novembre noviembre novembro nopember kasım listopada ноября ноябрь nov nop ноя kas lis",
    "december dezember décembre decembre dicembre diciembre dezembro desember aralık "
    "grudnia декабря декабрь dec dez déc "
    "dic des дек ara gru",
)
MONTHS: Final[dict[str, int]] = {
    word: number for number, words in enumerate(_MONTHS, start=1) for word in words.split()
}

_WEEKDAYS: Final = (
    "monday montag lundi lunedì lunes segunda senin mon lun mo понедельник пн 月曜日 月曜 星期一 周一 월요일",
    "tuesday dienstag mardi martedì martes terça selasa tue tues mar di вторник вт 火曜日 火曜 星期二 周二 화요일",
    "wednesday mittwoch mercredi mercoledì miércoles quarta rabu wed mer mi среда ср 水曜日 水曜 星期三 周三 수요일",
    "thursday donnerstag jeudi giovedì jueves quinta kamis thu thur thurs jeu gio do "
    "четверг чт 木曜日 木曜 星期四 周四 목요일",
    "friday freitag vendredi venerdì viernes sexta jumat fri ven fr пятница пт 金曜日 金曜 星期五 周五 금요일",
    "saturday samstag sonnabend samedi sabato sábado sabtu sat sam sab sa суббота сб 土曜日 土曜 星期六 周六 토요일",
    "sunday sonntag dimanche domenica domingo minggu sun dim dom so воскресенье вс 日曜日 日曜 星期日 周日 일요일",
)
WEEKDAYS: Final[dict[str, int]] = {word: number for number, words in enumerate(_WEEKDAYS) for word in words.split()}

# Hours east of UTC of the zone names that RFC 822 and feeds use. "IST" and "BST" have several meanings: the usual one.
ZONES: Final[dict[str, float]] = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2, "mez": 1, "mesz": 2,
    "eet": 2, "eest": 3, "msk": 3, "ist": 5.5, "wib": 7, "ict": 7, "sgt": 8, "hkt": 8, "awst": 8, "kst": 9, "jst": 9,
    "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7,
    "mdt": -6, "pst": -8, "pdt": -7, "akst": -9, "akdt": -8, "hst": -10,
}  # fmt: skip

# Days before today.
DAY_WORDS: Final[dict[str, int]] = {
    word: days
    for days, words in enumerate(
        (
            "today heute aujourd'hui aujourd’hui oggi hoy hoje vandaag idag bugün сегодня 오늘 今日 本日 今天",
            "yesterday gestern hier ieri ayer ontem gisteren kemarin igår dün вчера 어제 昨日 昨天",
            "vorgestern avant-hier anteayer anteontem позавчера 그제 그저께 엊그제 一昨日 前天",
        )
    )
    for word in words.split()
}

NOW_WORDS: Final = (
    "just now", "right now", "moments ago", "a moment ago", "방금", "방금 전", "지금", "たった今", "今", "刚刚",
    "剛剛", "剛才", "à l'instant", "à l’instant", "gerade eben", "soeben", "adesso", "ahora", "ahora mismo", "agora",
    "baru saja", "только что", "less than a minute ago",
)  # fmt: skip

_UNITS: Final = {
    1: "second seconds sec secs s sekunde sekunden seconde secondes secondo secondi segundo "
    "segundos detik секунд секунды "
    "секунду 초 秒 秒钟 秒鐘",
    60: "minute minutes min mins m minuten minuto minuti minutos menit минут минуты минуту 분 分 分钟 分鐘 分間",
    3_600: "hour hours hr hrs h stunde stunden std heure heures ora ore hora horas uur jam час "
    "часа часов 시간 時間 小时 小時 "
    "个小时 個小時",
    86_400: "day days d tag tage tagen jour jours j giorno giorni día días dia dias dag dagen hari "
    "hari-hari день дня дней "
    "일 日 天 日間",
    604_800: "week weeks wk wks w woche wochen semaine semaines settimana settimane semana semanas "
    "weken minggu неделю "
    "недели недель 주 주일 週間 周 週 个星期",
    2_592_000: "month months mo mos monat monate monaten mois mese mesi mes meses mês maand maanden "
    "bulan месяц месяца месяцев "
    "개월 달 か月 ヶ月 カ月 个月 個月",
    31_536_000: "year years yr yrs y jahr jahre jahren an ans année années anno anni año años ano anos "
    "jaar tahun год года лет "
    "년 年",
}
UNITS: Final[dict[str, int]] = {word: seconds for seconds, words in _UNITS.items() for word in words.split()}
"""Seconds in a unit; months and years are rough, as "2 months ago" is."""

# A quantity is in the past only with one of these before or after it: "3 days" alone may be a duration.
AGO_AFTER: Final = (
    "ago", "전", "前", "以前", "fa", "lalu", "yang lalu", "atrás", "atras", "geleden", "sedan", "önce", "назад",
    "earlier",
)  # fmt: skip
AGO_BEFORE: Final = ("vor", "il y a", "hace", "há", "ha", "für", "før", "för")

PM_WORDS: Final = frozenset({"pm", "p.m.", "p.m", "오후", "午後", "下午", "晚上", "中午"})
AM_WORDS: Final = frozenset({"am", "a.m.", "a.m", "오전", "午前", "上午", "凌晨", "早上", "새벽"})
