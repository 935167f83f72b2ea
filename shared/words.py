"""What is wrong with a value, in Vietnamese: each sentence of `errors[]` beside the one that pydantic or a command wrote.

A command writes its sentence in English where it refuses; whoever renders it asks here (shared/errors.py). `{}` stands
for what a sentence names of the rule: a limit, a day, a field. The words of the input are never among them.
"""

import re
from functools import lru_cache

VIETNAMESE: dict[str, str] = {
    # pydantic: what every field may be refused for.
    "Field required": "Thiếu trường bắt buộc.",
    "Extra inputs are not permitted": "Không có trường này.",
    "Invalid JSON: {} at line {} column {}": "JSON sai cú pháp ở dòng {1}, cột {2}.",
    "Invalid JSON: {}": "JSON sai cú pháp.",
    "JSON input should be {}": "Phải là JSON.",
    "Input should be a valid dictionary or {}": "Phải là một đối tượng JSON.",
    "Input should be a valid dictionary": "Phải là một đối tượng JSON.",
    "Input should be an object": "Phải là một đối tượng JSON.",
    "Input should be a valid list": "Phải là một danh sách.",
    "Input should be a valid array": "Phải là một danh sách.",
    "Input should be a valid tuple": "Phải là một danh sách.",
    "Input should be a valid set": "Phải là một danh sách.",
    "{} should have at least {} item after validation, not {}": "Phải có ít nhất {1} mục.",
    "{} should have at least {} items after validation, not {}": "Phải có ít nhất {1} mục.",
    "{} should have at most {} item after validation, not {}": "Chỉ được có tối đa {1} mục.",
    "{} should have at most {} items after validation, not {}": "Chỉ được có tối đa {1} mục.",
    "Input should be None": "Phải để trống (null).",
    "Input should be null": "Phải để trống (null).",
    "Input should be a valid string": "Phải là chuỗi ký tự.",
    "Input should be a valid string, unable to parse raw data as a unicode string": "Phải là chuỗi Unicode hợp lệ.",
    "String should have at least {} character": "Phải có ít nhất {} ký tự.",
    "String should have at least {} characters": "Phải có ít nhất {} ký tự.",
    "String should have at most {} character": "Chỉ được có tối đa {} ký tự.",
    "String should have at most {} characters": "Chỉ được có tối đa {} ký tự.",
    "String should match pattern {}": "Phải đúng dạng {}.",
    "Input should be greater than {}": "Phải lớn hơn {}.",
    "Input should be greater than or equal to {}": "Phải từ {} trở lên.",
    "Input should be less than {}": "Phải nhỏ hơn {}.",
    "Input should be less than or equal to {}": "Không được quá {}.",
    "Input should be a multiple of {}": "Phải là bội số của {}.",
    "Input should be a finite number": "Phải là số hữu hạn.",
    "Input should be a valid boolean": "Phải là true hoặc false.",
    "Input should be a valid boolean, {}": "Phải là true hoặc false.",
    "Input should be a valid integer": "Phải là số nguyên.",
    "Input should be a valid integer, {}": "Phải là số nguyên.",
    "Unable to parse input string as an integer, exceeded maximum size": "Số nguyên quá dài.",
    "Input should be a valid number": "Phải là số.",
    "Input should be a valid number, {}": "Phải là số.",
    "Input should be a valid decimal": "Phải là số.",
    "Input should be a valid date": "Phải là một ngày, như 2026-11-30.",
    "Input should be a valid date {}": "Phải là một ngày, như 2026-11-30.",
    "Input should be a valid date, {}": "Phải là một ngày, như 2026-11-30.",
    "Input should be a valid datetime": "Phải là ngày giờ kèm múi giờ, như 2026-11-30T08:15:00+07:00.",
    "Input should be a valid datetime {}": "Phải là ngày giờ kèm múi giờ, như 2026-11-30T08:15:00+07:00.",
    "Input should be a valid datetime, {}": "Phải là ngày giờ kèm múi giờ, như 2026-11-30T08:15:00+07:00.",
    "Input should have timezone info": "Phải ghi kèm múi giờ, như +07:00.",
    "Datetimes provided to dates should have zero time - e.g. be exact dates": "Phải là một ngày, không kèm giờ.",
    "Input should be a valid UUID": "Phải là một UUID.",
    "Input should be a valid UUID, {}": "Phải là một UUID.",
    "UUID input should be {}": "Phải là một UUID.",
    "UUID version {} expected": "Phải là UUID phiên bản {}.",
    "Input should be a valid URL, {}": "Phải là một URL hợp lệ.",
    "Input violated strict URL syntax rules, {}": "Phải là một URL hợp lệ.",
    "URL input should be a string or URL": "Phải là một URL.",
    "URL should have at most {} characters": "URL chỉ được có tối đa {} ký tự.",
    "URL scheme should be {}": "URL phải bắt đầu bằng {}.",
    "Unable to extract tag using discriminator {}": "Thiếu trường {} cho biết loại.",
    "none of the known kinds": "Không thuộc các loại đã biết.",
    "Input should be {}": "Phải là {}.",
    # shared
    "given more than once": "Chỉ được nêu một lần.",
    "at most 100": "Tối đa 100 tham số.",
    "1 to 255 characters": "Từ 1 đến 255 ký tự.",
    "without a token: a UUID, or 128 random bits (22 characters of base64url, 32 of hex)": "Không có mã truy cập thì"
    " phải là một UUID hoặc 128 bit ngẫu nhiên (22 ký tự base64url, 32 ký tự hex).",
    "give a day as 2026-11-30": "Ghi ngày theo dạng 2026-11-30.",
    "give an instant with its time zone, as {}": "Ghi ngày giờ kèm múi giờ, như {}.",
    "give an instant as {}": "Ghi ngày giờ kèm múi giờ, như {}.",
    "the calendar has no such day": "Lịch không có ngày này.",
    "no clock or calendar has such an instant": "Không có thời điểm này.",
    "content marked with a secrecy level is not accepted here": "Không nhận nội dung có đóng dấu độ mật.",
    # Said in both languages by who refuses it (shared/text.py).
    "có {}, hãy xóa hoặc gõ lại đoạn đó; there is {}": "Có {0}, hãy xóa hoặc gõ lại đoạn đó.",
    "must not be empty": "Không được để trống.",
    "{} or {}: give one of them": "Chỉ ghi một trong hai: {} hoặc {}.",
    "nothing that the same sender has sent has this reference": "Chưa có bản ghi nào cùng nguồn gửi mang mã này.",
    "the team was withdrawn": "Tổ này đã bị rút khỏi danh sách.",
    "the team serves another unit": "Tổ này phụ trách đơn vị khác.",
    # teams
    "the team is not dissolved": "Tổ này chưa giải thể.",
    "the team was not placed anew": "Tổ này chưa được bố trí lại.",
    "the team's commune did not become this one": "Xã của Tổ không trở thành xã này.",
    "a team belongs to a commune": "Tổ phải thuộc một đơn vị hành chính cấp xã.",
    "the term did not end by a release": "Nhiệm kỳ này không kết thúc do cho thôi.",
    # stats
    "no one unit stands for it there": "Ở danh mục đó không có một đơn vị tương ứng duy nhất.",
    "the range ends before it begins": "Khoảng thời gian kết thúc trước khi bắt đầu.",
    "years 1900 to 9990": "Từ năm 1900 đến năm 9990.",
    "at most {} periods": "Tối đa {} kỳ.",
    "give the Antt-Position of a write, as incidents:1:1234; several are joined by a comma": "Ghi Antt-Position"
    " của lần gửi, như incidents:1:1234; nhiều vị trí cách nhau bằng dấu phẩy.",
    "there is no such indicator; GET /stats/v1/indicators lists them": "Không có chỉ tiêu này; xem"
    " GET /stats/v1/indicators.",
    # places
    "give a FeatureCollection": "Phải là một FeatureCollection.",
    "give longitude and latitude in WGS84, not in VN-2000": "Ghi kinh độ, vĩ độ theo WGS84, không theo VN-2000.",
    "no feature at all": "Không có đối tượng nào.",
    "{} and {} overlap": "{} và {} chồng lên nhau.",
    "`unit` names no unit, and neither do `edition` and `code`": "`unit`, hoặc `edition` và `code`, không chỉ"
    " đơn vị nào.",
    "the unit is outside the province served": "Đơn vị không thuộc tỉnh mà hệ thống này phục vụ.",
    "the unit is no commune": "Đơn vị không phải cấp xã.",
    "the ground of {} again": "Trùng một phần đất với {}.",
    "at most {} of a commune": "Mỗi xã, phường chỉ được có tối đa {} phần.",
    "all must be of one edition": "Tất cả phải thuộc một danh mục.",
    "all must be of the edition named": "Tất cả phải thuộc danh mục đã nêu.",
    "there is no such unit": "Không có đơn vị này.",
    "this code again": "Trùng mã.",
    "the hamlet is of another unit": "Thôn, khu phố này thuộc đơn vị khác.",
    "name a unit, a hamlet or a point": "Cần nêu đơn vị, thôn (khu phố) hoặc tọa độ.",
    # cases
    "each record is linked once": "Mỗi bản ghi chỉ được liên kết một lần.",
    "the case was not closed in this way": "Vụ việc không được kết thúc theo cách này.",
    "nobody of this case was handled": "Vụ việc này không có đối tượng bị xử lý.",
    "the case is not closed, so the day must be given": "Vụ việc chưa kết thúc nên phải ghi ngày.",
    "the case was found on {}": "Vụ việc được phát hiện ngày {}.",
    "a sanction needs its decision (Law 15/2012/QH13, art. 67)": "Xử phạt phải có quyết định (Luật 15/2012/QH13,"
    " Điều 67).",
    "only the measure `fine` has an amount": "Chỉ hình thức `fine` (phạt tiền) mới có số tiền.",
    "this kind is not counted in that unit": "Loại này không tính theo đơn vị tính đó.",
    "each measure is given once": "Mỗi hình thức chỉ ghi một lần.",
    "one case holds at most 1,000,000,000 of a kind": "Một vụ việc chỉ có tối đa 1.000.000.000 của một loại.",
    # tips
    "the id of the row that the page before ended with": "Phải là mã của dòng cuối trang trước.",
    "a team's tip names the team": "Tin báo của Tổ phải nêu Tổ nào.",
    "a tip goes to a commune or to an agency, not to both": "Chỉ chuyển tin cho một xã hoặc một cơ quan, không cả hai.",
    "a commune takes a tip over, or sends it back": "Xã thì tiếp nhận hoặc trả lại tin.",
    "an agency acknowledges a tip; only a commune takes it over": "Cơ quan thì xác nhận; chỉ xã mới tiếp nhận tin.",
    "the commune must first take the tip over, or send it back": "Xã phải tiếp nhận hoặc trả lại tin trước đã.",
    "a tip is no duplicate of itself": "Tin báo không thể trùng với chính nó.",
    "there is no such tip": "Không có tin báo này.",
    "that tip is {}": "Tin báo đó đang ở trạng thái {}.",
    "there is no such question": "Không có câu hỏi này.",
    "this question is answered; write an addition": "Câu hỏi này đã được trả lời; hãy viết bổ sung.",
    "at least one word": "Cần ít nhất một từ.",
    "this step needs a reason": "Bước này cần ghi lý do.",
    # activities
    "return this one and enter another of the right kind": "Hãy trả lại hoạt động này và nhập hoạt động đúng loại.",
    "it cannot end before it starts": "Không thể kết thúc trước khi bắt đầu.",
    "this kind of activity lasts at most {} days": "Loại hoạt động này kéo dài tối đa {} ngày.",
    "a mobilisation sends a team outside its own area": "Điều động là đưa Tổ ra ngoài địa bàn của mình.",
    "member_ids: each member once": "member_ids: mỗi thành viên một lần.",
    "members: fewer than member_ids names": "members: ít hơn số thành viên trong member_ids.",
    "joint: form says otherwise": "joint: mâu thuẫn với form.",
    "sessions, attendances: individual outreach is counted in person_turns": "sessions, attendances: tuyên truyền cá biệt"
    " tính bằng person_turns.",
    "person_turns: how many is missing": "person_turns: thiếu số lượt.",
    "person_turns: only individual outreach is counted in them": "person_turns: chỉ dùng cho tuyên truyền cá biệt.",
    "sessions: how many is missing": "sessions: thiếu số buổi.",
    "unit: {} are counted in {}": "unit: {} tính theo {}.",
    # rows of imports
    "the heading names {} columns": "Dòng tiêu đề chỉ có {} cột.",
    "formulas are not calculated: send the values": "Công thức không được tính: hãy gửi giá trị.",
    "the cell holds an error or no day that there is": "Ô báo lỗi hoặc không phải là một ngày có thật.",
    "an upsert finds a record by its reference": "Muốn cập nhật thì phải có reference.",
    "the file has given this reference before": "Mã reference này đã có ở một dòng trước.",
    "a row has at most {} bytes": "Một dòng chỉ được có tối đa {} byte.",
    "Extra inputs are not permitted: is `{}` meant?": "Không có trường này; có phải là `{}`?",
    # imports, changes, webhooks, attachments, deadlines
    "this differs from what is kept and cannot be corrected": "Khác với dữ liệu đã lưu và không sửa được.",
    "give a cursor as an answer gave it, `start` or `now`": "Dùng con trỏ mà câu trả lời đã cho, `start` hoặc `now`.",
    "no event of incidents has this type": "Không có sự kiện loại này.",
    "leave it out to keep it": "Bỏ trường này nếu muốn giữ nguyên.",
    "give a URL without user, password and fragment: the signature says who sends": "URL không được có tên người dùng,"
    " mật khẩu hay phần sau #: chữ ký cho biết ai gửi.",
    "one field `file`, and nothing else, of a multipart/form-data form": "Biểu mẫu multipart/form-data chỉ có một"
    " trường `file`.",
    "the deadline began on {}": "Thời hạn bắt đầu từ ngày {}.",
    "an extension had to be requested by {}": "Phải đề nghị gia hạn chậm nhất vào ngày {}.",
    "the deadline ends on {}": "Thời hạn kết thúc ngày {}.",
    "it can be extended until {} at most": "Chỉ gia hạn được đến ngày {}.",
    "the deadline began at {}": "Thời hạn bắt đầu lúc {}.",
    # Open311
    "give a form in UTF-8 of at most 100 fields": "Phải là biểu mẫu UTF-8 có tối đa 100 trường.",
    "the service definition has no such attribute": "Dịch vụ không có thuộc tính này.",
    "application/x-www-form-urlencoded": "Chỉ nhận application/x-www-form-urlencoded.",
    "a field is given twice and says two things": "Một trường được nêu hai lần với hai giá trị khác nhau.",
    "two keys that differ": "Hai khóa khác nhau.",
    "lat and long lie in another unit than address_id names": "lat và long nằm ở đơn vị khác với address_id.",
    "lat and long come together": "lat và long phải đi cùng nhau.",
    "give lat and long, address_id, or an address that names the commune": "Cần lat và long, address_id, hoặc địa chỉ"
    " có tên xã, phường.",
    "a list spans 90 days at most": "Một danh sách chỉ dài tối đa 90 ngày.",
}

# The longer sentence first: `Input should be {}` would take them all.
_SENTENCES = [
    (re.compile(re.escape(english).replace(r"\{\}", "(.+?)"), re.DOTALL), vietnamese)
    for english, vietnamese in sorted(VIETNAMESE.items(), key=lambda row: -len(row[0]))
]


@lru_cache(maxsize=1_024)
def in_vietnamese(sentence: str) -> str:
    """The sentence in Vietnamese; one that nobody has translated is said to be of an invalid value, and kept."""
    bare = sentence.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    for pattern, vietnamese in _SENTENCES:
        if found := pattern.fullmatch(bare):
            return vietnamese.format(*(group.replace(" or ", " hoặc ") for group in found.groups()))
    return f"Giá trị không hợp lệ ({bare})."
