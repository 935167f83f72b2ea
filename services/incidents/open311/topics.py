"""The topics of tips as Open311 offers them: each a service, its code the `topic` of a tip."""

from typing import NamedTuple


class Topic(NamedTuple):
    """What a person chooses from: a name, what belongs to it, the group it is shown in, and words to find it by."""

    name: str
    description: str
    group: str
    keywords: str


_ORDER, _VICES, _PROPERTY = "Trật tự công cộng", "Tệ nạn xã hội", "Xâm phạm sở hữu"

# A row here is a service there; tips may have other topics, whose code is then shown as their name.
TOPICS: dict[str, Topic] = {
    "public_disorder": Topic("Gây rối trật tự công cộng", "Tụ tập, đánh nhau, mang hung khí, đua xe.", _ORDER, "gây rối, đánh nhau, hung khí"),
    "noise": Topic("Tiếng ồn", "Gây tiếng động lớn, hát karaoke quá giờ quy định.", _ORDER, "karaoke, ồn ào"),
    "domestic_violence": Topic("Bạo lực gia đình", "Đánh đập, đe dọa trong gia đình.", _ORDER, "bạo hành, gia đình"),
    "illegal_residence": Topic("Vi phạm quy định về cư trú", "Lưu trú, tạm trú không thông báo, không đăng ký.", _ORDER, "tạm trú, lưu trú, nhà trọ"),
    "gambling": Topic("Đánh bạc", "Đánh bạc, tổ chức đánh bạc, cá độ, số đề.", _VICES, "cờ bạc, đá gà, số đề"),
    "drugs": Topic("Ma túy", "Tàng trữ, mua bán, sử dụng trái phép chất ma túy.", _VICES, "ma túy, nghiện"),
    "loan_sharking": Topic("Tín dụng đen", "Cho vay nặng lãi, đe dọa đòi nợ, dán tờ rơi cho vay.", _VICES, "vay nặng lãi, đòi nợ"),
    "theft": Topic("Trộm cắp, cướp giật", "Trộm cắp, cướp giật tài sản.", _PROPERTY, "mất trộm, cướp"),
    "fraud": Topic("Lừa đảo", "Lừa đảo chiếm đoạt tài sản, giả danh cơ quan chức năng.", _PROPERTY, "lừa đảo, giả danh"),
    "fire": Topic("Cháy, nổ", "Cháy, nổ, nguy cơ cháy nổ. Đang cháy: gọi 114.", "Phòng cháy, cứu nạn", "cháy, nổ, cứu nạn"),
    "other": Topic("Việc khác về an ninh, trật tự", "Việc chưa có trong danh mục. Khẩn cấp: gọi 113.", "Khác", "khác"),
}  # fmt: skip
