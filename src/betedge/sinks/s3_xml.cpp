#include "betedge/sinks/s3_xml.hpp"

#include <fmt/format.h>

#include <charconv>
#include <pugixml.hpp>

namespace betedge::sinks {

namespace {

// "ListBucketResult" of "<s3:ListBucketResult>".
std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node child_of(const pugi::xml_node& node, std::string_view name) {
  for (const auto& child : node.children()) {
    if (local_name(child) == name) return child;
  }
  return {};
}

std::string text_of(const pugi::xml_node& node, std::string_view name) {
  return child_of(node, name).text().get();
}

// A whole document, held by its root element. pugixml knows no entities but the five of XML and
// reads no DTD, so that a document cannot grow in the reading.
class Document {
 public:
  explicit Document(std::string_view xml) {
    // S3 sends white space while it works, before what should be the document's first character.
    const auto first = xml.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos) xml.remove_prefix(first);
    if (xml.contains('\0')) return;
    const auto parsed =
        tree_.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
    if (parsed) root_ = tree_.document_element();
  }
  pugi::xml_node root(std::string_view name) const {
    return root_ && local_name(root_) == name ? root_ : pugi::xml_node{};
  }

 private:
  pugi::xml_document tree_;
  pugi::xml_node root_;
};

std::unexpected<Error> unreadable(std::string_view what) {
  return fail(ErrorCode::storage_failed,
              fmt::format("the server's {} cannot be read: it is not what S3 answers", what));
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value = 0;
  const auto* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc{} || end != last || text.empty()) return std::nullopt;
  return value;
}

// "2009-10-12T17:50:30.000Z": the fraction is left out.
std::optional<Timestamp> time_of(std::string_view text) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':' || !text.ends_with('Z')) {
    return std::nullopt;
  }
  const auto part = [text](std::size_t from, std::size_t size) {
    return number_of<unsigned>(text.substr(from, size));
  };
  const auto year = part(0, 4), month = part(5, 2), day = part(8, 2), hour = part(11, 2),
             minute = part(14, 2), second = part(17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{*month}, std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  return Timestamp{std::chrono::sys_days{date}} + std::chrono::hours{*hour} +
         std::chrono::minutes{*minute} + std::chrono::seconds{*second};
}

// Of a query's encoding, which "encoding-type=url" asks for: a '+' is a space.
std::optional<std::string> url_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      unsigned char byte = 0;
      if (text.size() - i < 3) return std::nullopt;
      const auto* const last = text.data() + i + 3;
      const auto [end, error] = std::from_chars(text.data() + i + 1, last, byte, 16);
      if (error != std::errc{} || end != last) return std::nullopt;
      decoded += static_cast<char>(byte);
      i += 2;
    }
  }
  return decoded;
}

std::optional<std::string> key_of(const pugi::xml_node& root, const pugi::xml_node& node,
                                  std::string_view name) {
  auto text = text_of(node, name);
  return text_of(root, "EncodingType") == "url" ? url_decoded(text) : std::move(text);
}

}  // namespace

std::string_view bare_etag(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"')) {
    etag.remove_prefix(1);
    etag.remove_suffix(1);
  }
  return etag;
}

S3ErrorText parse_s3_error(std::string_view xml) {
  const Document document(xml);
  const auto root = document.root("Error");
  return {.code = text_of(root, "Code"), .region = text_of(root, "Region")};
}

Result<S3Listing> parse_s3_listing(std::string_view xml) {
  const Document document(xml);
  const auto root = document.root("ListBucketResult");
  const auto truncated = text_of(root, "IsTruncated");
  if (!root || (truncated != "true" && truncated != "false")) return unreadable("listing");
  S3Listing listing{.objects = {}, .is_truncated = truncated == "true"};
  for (const auto& node : root.children()) {
    if (local_name(node) != "Contents") continue;
    auto key = key_of(root, node, "Key");
    const auto size = number_of<std::uint64_t>(text_of(node, "Size"));
    const auto modified = time_of(text_of(node, "LastModified"));
    if (!key || key->empty() || !size || !modified) return unreadable("listing");
    listing.objects.push_back({.key = *std::move(key),
                               .size_bytes = *size,
                               .modified_at = *modified,
                               .etag = std::string(bare_etag(text_of(node, "ETag")))});
  }
  return listing;
}

Result<S3Uploads> parse_s3_uploads(std::string_view xml) {
  const Document document(xml);
  const auto root = document.root("ListMultipartUploadsResult");
  if (!root) return unreadable("list of unfinished uploads");
  S3Uploads uploads;
  for (const auto& node : root.children()) {
    if (local_name(node) != "Upload") continue;
    auto key = key_of(root, node, "Key");
    auto id = text_of(node, "UploadId");
    const auto initiated = time_of(text_of(node, "Initiated"));
    if (!key || key->empty() || id.empty() || !initiated) {
      return unreadable("list of unfinished uploads");
    }
    uploads.uploads.push_back(
        {.key = *std::move(key), .id = std::move(id), .initiated_at = *initiated});
  }
  if (text_of(root, "IsTruncated") == "true") {
    auto marker = key_of(root, root, "NextKeyMarker");
    if (!marker || marker->empty()) return unreadable("list of unfinished uploads");
    uploads.next = S3Uploads::Next{*std::move(marker), text_of(root, "NextUploadIdMarker")};
  }
  return uploads;
}

Result<std::string> parse_s3_upload_id(std::string_view xml) {
  const Document document(xml);
  auto id = text_of(document.root("InitiateMultipartUploadResult"), "UploadId");
  if (id.empty()) return unreadable("answer to the beginning of an upload");
  return id;
}

bool is_s3_completion(std::string_view xml) {
  return static_cast<bool>(Document(xml).root("CompleteMultipartUploadResult"));
}

std::string s3_completion(const std::vector<std::string>& etags) {
  std::string xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (std::size_t i = 0; i < etags.size(); ++i) {
    xml += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>", i + 1);
    for (const char c : etags[i]) {
      if (c == '"') {
        xml += "&quot;";
      } else if (c == '&') {
        xml += "&amp;";
      } else if (c == '<') {
        xml += "&lt;";
      } else {
        xml += c;
      }
    }
    xml += "</ETag></Part>";
  }
  return xml + "</CompleteMultipartUpload>";
}

std::string s3_bucket_configuration(std::string_view region) {
  // AWS wants the region named everywhere but in its first one, where it refuses it.
  if (region.empty() || region == "us-east-1") return {};
  return fmt::format(
      "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
      region);
}

}  // namespace betedge::sinks
