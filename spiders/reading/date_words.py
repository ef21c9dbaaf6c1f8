"""The words that dates stand in, by language: months, weekdays, zones, ages, and the labels around them.

Every table is keyed by the folded form of a word (`fold`), and so is every text that is looked up in it: a table and
a text can never disagree about what a small letter or an accent is.
"""

import unicodedata
from typing import Final, TypeVar

_Key = TypeVar("_Key")

_SINGLE: Final = {"\u0131": "i", "\u2010": "-", "\u2011": "-", "\u2212": "-", "\u2019": "'", "\u02bc": "'", "\x00": " "}


def fold(text: str) -> str:
    """A text as it is compared: no capitals, accents, invisible marks or wide forms; every digit one of 0 to 9."""
    if text.isascii():
        return text.lower().replace("\x00", " ")
    wide = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    kept = (_SINGLE.get(char, char) for char in wide if unicodedata.category(char) not in {"Mn", "Cf", "Cs"})
    digits = (str(unicodedata.decimal(char)) if char.isdecimal() else char for char in kept)
    return unicodedata.normalize("NFC", "".join(digits))


def _table(rows: dict[_Key, str]) -> dict[str, _Key]:
    """Each word of each row to the row's key; an underscore in a word stands for a blank."""
    return {fold(word.replace("_", " ")): key for key, words in rows.items() for word in words.split()}


# English, German, French, Italian, Spanish, Portuguese, Dutch, Indonesian, Polish, Swedish, Turkish, Russian, Arabic.
MONTHS: Final = _table(
    {
        1: "january januar jänner janvier gennaio enero janeiro januari ocak stycznia января январь jan janv gen ene "
        "янв sty oca يناير جانفي كانون_الثاني",
        2: "february februar février fevrier febbraio febrero fevereiro februari şubat lutego февраля февраль feb "
        "febr fév fev févr фев февр şub lut peb فبراير فيفري شباط",
        3: "march märz maerz mars marzo março maart maret mart marca марта март mar mär mrz mrt мар مارس آذار",
        4: "april avril aprile abril nisan kwietnia апреля апрель apr avr abr апр nis kwi أبريل إبريل أفريل نيسان",
        5: "may mai maggio mayo maio mei maj mayıs maja мая май mag مايو ماي أيار",
        6: "june juni juin giugno junio junho haziran czerwca июня июнь jun giu июн haz cze يونيو جوان حزيران",
        7: "july juli juillet luglio julio julho temmuz lipca июля июль jul juil lug июл tem lip يوليو جويلية تموز",
        8: "august août aout agosto augustus augusti agustus ağustos sierpnia августа август aug aoû ago ags agu авг "
        "ağu sie أغسطس أوت آب",
        9: "september septembre settembre septiembre setiembre setembro eylül września сентября сентябрь sep sept "
        "set sett сен сент eyl wrz سبتمبر أيلول",
        10: "october oktober octobre ottobre octubre outubro ekim października октября октябрь oct okt ott out окт "
        "eki paź أكتوبر تشرين_الأول",
        11: "november novembre noviembre novembro nopember kasım listopada ноября ноябрь nov nop ноя нояб kas lis "
        "نوفمبر تشرين_الثاني",
        12: "december dezember décembre decembre dicembre diciembre dezembro desember aralık grudnia декабря декабрь "
        "dec dez déc dic des дек ara gru ديسمبر كانون_الأول",
    }
)

WEEKDAYS: Final = _table(
    {
        0: "monday montag lundi lunedì lunes segunda segunda-feira senin mon lun mo понедельник пн 月曜日 月曜 "
        "星期一 礼拜一 禮拜一 周一 週一 월요일 월 الاثنين الإثنين thứ_hai",
        1: "tuesday dienstag mardi martedì martes terça terça-feira selasa tue tues mar di вторник вт 火曜日 火曜 火 "
        "星期二 周二 週二 화요일 화 الثلاثاء thứ_ba",
        2: "wednesday mittwoch mercredi mercoledì miércoles quarta quarta-feira rabu wed mer mi mié среда ср 水曜日 "
        "水曜 水 星期三 周三 週三 수요일 수 الأربعاء thứ_tư",
        3: "thursday donnerstag jeudi giovedì jueves quinta quinta-feira kamis thu thur thurs jeu gio jue do четверг "
        "чт 木曜日 木曜 木 星期四 周四 週四 목요일 목 الخميس thứ_năm",
        4: "friday freitag vendredi venerdì viernes sexta sexta-feira jumat fri ven vie fr пятница пт 金曜日 金曜 金 "
        "星期五 周五 週五 금요일 금 الجمعة thứ_sáu",
        5: "saturday samstag sonnabend samedi sabato sábado sabtu sat sam sab sáb sa суббота сб 土曜日 土曜 土 "
        "星期六 周六 週六 토요일 토 السبت thứ_bảy",
        6: "sunday sonntag dimanche domenica domingo minggu sun dim dom so воскресенье вс 日曜日 日曜 星期日 星期天 "
        "周日 週日 일요일 الأحد chủ_nhật",
    }
)

# Hours east of UTC of the zone names that RFC 822 and feeds use. "IST" and "BST" have several meanings: the usual one.
ZONES: Final[dict[str, float]] = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2, "mez": 1, "mesz": 2,
    "eet": 2, "eest": 3, "msk": 3, "мск": 3, "trt": 3, "ist": 5.5, "wib": 7, "ict": 7, "wita": 8, "sgt": 8, "hkt": 8,
    "awst": 8, "kst": 9, "jst": 9, "wit": 9, "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13, "brt": -3,
    "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "akst": -9, "akdt": -8,
    "hst": -10,
}  # fmt: skip

# Days before today.
DAY_WORDS: Final = _table(
    {
        0: "today heute aujourd'hui oggi hoy hoje vandaag idag hari_ini bugün сегодня اليوم hôm_nay 오늘 금일 今日 "
        "本日 今天",
        1: "yesterday gestern hier ieri ayer ontem gisteren kemarin igår dün вчера أمس البارحة hôm_qua 어제 어저께 "
        "작일 전일 昨日 昨天 前日",
        2: "vorgestern avant-hier anteayer antier anteontem позавчера hôm_kia 그제 그저께 엊그제 재작일 一昨日 前天",
    }
)

NOW_WORDS: Final = _table(
    {
        True: "just_now right_now now moments_ago a_moment_ago 방금 방금_전 방금전 지금 たった今 今 刚刚 剛剛 刚才 "
        "剛才 à_l'instant gerade_eben soeben adesso ahora ahora_mismo agora agora_mesmo baru_saja barusan только_что "
        "vừa_xong mới_đây الآن less_than_a_minute_ago 조금_전 今しがた hace_un_momento il_y_a_un_instant",
    }
)

UNITS: Final = _table(
    {
        1: "second seconds sec secs s sekunde sekunden seconde secondes secondo secondi segundo segundos detik "
        "секунд секунды секунду ثانية saniye sekund sekundę sekundy ثوان ثوانٍ ثواني giây 초 秒 秒钟 秒鐘",
        60: "minute minutes min mins m minuten minuto minuti minutos menit минут минуты минуту мин dakika minut "
        "minuty minutę minuter دقيقة دقائق phút 분 分 分钟 分鐘 分間",
        3_600: "hour hours hr hrs h stunde stunden std heure heures ora ore hora horas uur jam час часа часов ساعة "
        "ساعات giờ tiếng saat godzin godziny godzinę timmar timme 시간 時間 小时 小時 个小时 個小時",
        86_400: "day days d tag tage tagen jour jours j giorno giorni día días dia dias dag dagen hari hari-hari "
        "день дня дней يوم أيام يوما ngày gün dni dzień dagar 일 日 天 日間",
        604_800: "week weeks wk wks w woche wochen semaine semaines settimana settimane semana semanas weken minggu "
        "hafta tygodni tydzień tygodnie veckor vecka неделю недели недель أسبوع أسابيع tuần 주 주일 週間 周 週 "
        "个星期 個星期",
        2_592_000: "month months mo mos monat monate monaten mois mese mesi mes meses mês maand maanden bulan месяц "
        "месяца месяцев شهر ay miesiąc miesięcy miesiące månader أشهر شهور tháng 개월 달 か月 ヶ月 カ月 ヵ月 个月 "
        "個月",
        31_536_000: "year years yr yrs y jahr jahre jahren an ans année années anno anni año años ano anos jaar "
        "tahun год года лет yıl lat rok år سنة سنوات năm 년 年",
    }
)
"""Seconds in a unit; months and years are rough, as "2 months ago" is."""

SPANS: Final = _table(
    {
        1_800: "반시간 半小时 半小時 半時間",
        3_600: "sejam",
        7_200: "ساعتين ساعتان",
        120: "دقيقتين",
        86_400: "하루 sehari",
        172_800: "이틀 يومين يومان",
        259_200: "사흘",
        345_600: "나흘",
        432_000: "닷새",
        518_400: "엿새",
        604_800: "이레 일주일 seminggu",
        691_200: "여드레",
        777_600: "아흐레",
        864_000: "열흘",
        1_209_600: "أسبوعين",
        1_296_000: "보름",
        2_592_000: "sebulan",
        5_184_000: "شهرين",
        31_536_000: "setahun",
        63_072_000: "سنتين",
    }
)
"""Seconds of the words that say how much and of what at once."""

QUANTITIES: Final = _table(
    {
        1: "a an one ein eine einem einer einen un une uno una um uma satu een en ett одну один một 한 一",
        2: "two zwei deux due dos dois duas dua twee два две hai 두 二 两 兩",
        3: "three drei trois tre tres três tiga drie три ba 세 석 三 few several ein_paar einigen quelques algunas "
        "algunos alcuni alcune beberapa несколько vài 몇 数 數 几 幾 a_few",
        4: "네 넉 四 four vier quatre quattro cuatro quatro empat четыре bốn",
        5: "다섯 五 five fünf cinq cinque cinco lima пять năm",
        6: "여섯 六 six sechs sei seis enam шесть",
        7: "일곱 七 seven sieben sept sette siete sete tujuh семь",
        8: "여덟 八 eight acht huit otto ocho oito delapan восемь",
        9: "아홉 九 nine neun neuf nove nueve sembilan девять",
        10: "열 十 ten zehn dix dieci diez dez sepuluh десять",
        11: "열한 十一 eleven",
        12: "열두 十二 twelve",
    }
)

# A quantity is in the past only with one of these before or after it: "3 days" alone may be a duration.
AGO_AFTER: Final = _table(
    {
        True: "ago earlier 전 前 以前 之前 まえ fa lalu yang_lalu atrás geleden sedan önce назад trước temu",
    }
)
AGO_BEFORE: Final = _table(
    {
        True: "vor il_y_a depuis hace há für før för منذ قبل cách_đây",
    }
)

HALVES: Final = _table(
    {
        "am": "am a.m. a.m a._m. 오전 새벽 아침 午前 上午 凌晨 早上 清晨 ص sa sáng",
        "pm": "pm p.m. p.m p._m. 오후 저녁 밤 낮 午後 下午 晚上 傍晚 中午 م ch chiều tối",
    }
)

LABELS: Final = _table(
    {
        "posted": "posted published publish date written created submitted added pubdate issued datum veröffentlicht "
        "eingestellt geschrieben verfasst erstellt publié publiée posté écrit pubblicato publicado publicada creado "
        "enviado fecha data publicação опубликовано опубликован размещено дата добавлено создано написано нشر نشر "
        "تاريخ النشر diposting diterbitkan dipublikasikan ditulis tanggal dibuat đăng 작성 작성일 작성일자 작성일시 "
        "작성시간 작성시각 작성날짜 등록 등록일 등록일자 등록일시 등록시간 게시 게시일 게시일자 입력 입력일 입력시간 "
        "날짜 일자 발행일 배포일 공고일 공지일 投稿 投稿日 投稿日時 投稿日时 掲載 掲載日 公開 公開日 作成 作成日 "
        "作成日時 登録日 登録 日付 配信 配信日 発表日 発行日 発信日 发布 发布时间 發布 發布時間 发布日期 發布日期 "
        "发表 發表 发表时间 發表時間 发表日期 日期 時間 时间 公告 公告日期 公告日 張貼 張貼日期 刊登日期 刊登 "
        "上版日期 建立日期 创建时间 创建日期 发帖 發文 发帖时间",
        "updated": "updated edited modified modification changed revised aktualisiert bearbeitet geändert modifié "
        "modifiée mis_à_jour mise_à_jour aggiornato modificato actualizado modificado editado atualizado изменено "
        "обновлено отредактировано diperbarui diubah diedit cập_nhật sửa تحديث تعديل آخر_تحديث آخر_تعديل 수정 수정일 "
        "수정일자 수정일시 수정됨 변경 변경일 갱신 갱신일 최종수정 최종수정일 更新 更新日 更新日時 更新时间 更新時間 "
        "更新日期 最終更新 最終更新日 修正 修改 修改时间 編集 编辑 編輯 改訂",
        "event": "deadline due expires expired expiry until till closes closing ends end event starts start valid "
        "through from between apply frist bis bewerbungsschluss bewerbungsfrist einsendeschluss ablauf gültig "
        "anmeldeschluss termin veranstaltung limite jusqu'au jusque échéance clôture fin début scadenza entro fino "
        "hasta cierre vence plazo válido inicio prazo até encerramento до срок окончания дедлайн события berakhir "
        "batas tenggat sampai hingga hạn hạn_nộp kết_thúc bắt_đầu حتى ينتهي الموعد 마감 마감일 마감일자 마감일시 "
        "까지 부터 접수 접수기간 접수일 접수마감 접수일정 신청 신청기간 신청마감 모집 모집기간 모집마감 공고기간 "
        "게시기간 기간 행사 행사일 행사기간 행사일시 일정 시행일 시험일 시험일정 개최 개최일 교육기간 운영기간 "
        "사업기간 유효기간 만료 만료일 종료 종료일 시작 시작일 締切 締切日 締め切り 〆切 期限 期間 申込 申込期間 "
        "申込期限 応募 応募期間 応募締切 募集 募集期間 受付 受付期間 開催 開催日 開催日時 開催期間 有効期限 まで "
        "から 截止 截止日期 截止时间 截止時間 截止日 报名 报名时间 報名 報名時間 報名期間 活动 活动时间 活動 "
        "活動時間 活動日期 有效期 期间 止 起 自 至 到 开始 結束 结束 開始 終了",
    }
)
"""What a date beside such a word is: the posting's, its last change's, or that of something else."""

NAMES_FOLLOW: Final = _table(
    {
        True: "by von par message_de por di da oleh от bởi بواسطة 작성자 글쓴이 등록자 게시자 닉네임 이름 投稿者 "
        "作成者 記者 作者 发布者 發布者 来源 來源 출처 source quelle fuente fonte 撰稿 编辑者author autor auteur "
        "autore автор user",
    }
)

COUNTERS: Final = _table(
    {
        True: "views view hits hit reads read comments comment replies reply likes like points point votes vote "
        "shares score rating aufrufe antworten kommentare zugriffe vues commentaires réponses visitas visto vistas "
        "comentarios respuestas просмотров просмотры ответов комментариев комментарии dilihat dibaca komentar "
        "balasan lượt_xem bình_luận مشاهدة مشاهدات تعليق تعليقات 조회 조회수 추천 추천수 댓글 댓글수 답글 좋아요 "
        "읽음 번호 스크랩 첨부 첨부파일 閲覧 閲覧数 コメント 返信 阅读 閱讀 浏览 瀏覽 浏览量 点击 點擊 点击数 點閱 "
        "點閱數 评论 評論 回复 回覆 人气 人氣 人氣數 点赞 no",
    }
)

GLUE: Final = _table(
    {
        True: "on at in the of to and o'clock about around approximately over more than less almost nearly last der "
        "den dem das am um uhr und gegen ca circa etwa ungefähr seit le la les à de du des et vers environ il el los "
        "las del al alle dalle ore e y o a as às em no na os da do kl klo pukul jam pada tanggal dan sekitar в г "
        "года год и около примерно ngày lúc vào năm khoảng في الساعة بتاريخ يوم و عند new neu nouveau 에 에서 일시 "
        "약 한국시간 시각 시간 및 대한민국 표준시 に 頃 ごろ 約 于 於 在 了 约 北京时间 台北時間 n hot pinned "
        "새글 新着 공지",
    }
)

CLOCK_WORDS: Final = frozenset(map(fold, ("pukul", "jam", "kl", "klo", "um", "alle", "ore")))
"""Before these a time may be written with a dot: "pukul 10.30", "kl 13.05"."""

ERAS: Final = {
    **dict.fromkeys(map(fold, ("民國", "民国", "中華民國", "中华民国", "민국")), 1911),
    fold("令和"): 2018,
    fold("平成"): 1988,
    fold("昭和"): 1925,
}
"""The year before an era's first one."""

ALL: Final = (
    MONTHS, WEEKDAYS, DAY_WORDS, NOW_WORDS, UNITS, SPANS, QUANTITIES, AGO_AFTER, AGO_BEFORE, HALVES, LABELS,
    NAMES_FOLLOW, COUNTERS, GLUE,
)  # fmt: skip
