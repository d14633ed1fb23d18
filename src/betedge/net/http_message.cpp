#include "betedge/net/http_message.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace betedge::net {

namespace {

constexpr std::size_t kMaxFields = 128;
constexpr std::array<std::string_view, 9> kMethods = {"GET",     "HEAD",  "POST",  "PUT",  "DELETE",
                                                      "OPTIONS", "PATCH", "TRACE", "QUERY"};

std::unexpected<Refusal> refuse(int status, std::string reason) {
  return std::unexpected(Refusal{status, std::move(reason)});
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_char);
}

// RFC 9110 5.5: no control character but the tab.
bool is_field_char(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The line up to CR LF, taken from the front. The caller knows that there is one.
std::string_view take_line(std::string_view& text) {
  const auto end = text.find("\r\n");
  const auto line = text.substr(0, end);
  text.remove_prefix(end + 2);
  return line;
}

std::optional<std::uint64_t> parse_number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A comma list has this member ("Connection: keep-alive, close").
bool list_has(std::string_view list, std::string_view member) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (equal_ignoring_case(trim(list.substr(0, comma)), member)) return true;
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return false;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// RFC 3986 3.2.2 and 3.2.3: a name, an IPv4 address or one of IPv6 in brackets, perhaps a port; no
// user. Whether it is one of ours is for others to say.
bool is_host_and_port(std::string_view text) {
  static constexpr std::string_view kInNames = "-._~!$&'()*+,;=%";
  const auto is_in_name = [](char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || kInNames.contains(c);
  };
  const auto is_in_address = [](char c) { return hex_digit(c) >= 0 || c == ':' || c == '.'; };
  std::string_view host;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!std::ranges::all_of(host, is_in_address)) return false;
  } else {
    host = text.substr(0, text.find(':'));
    text.remove_prefix(host.size());
    if (!std::ranges::all_of(host, is_in_name)) return false;
  }
  if (host.empty()) return false;
  return text.empty() ||
         (text.size() <= 6 && std::ranges::all_of(text.substr(1), is_digit) && text.front() == ':');
}

// `authority` becomes the host that an absolute form names.
OrRefusal<void> parse_target(std::string_view target, RequestHead& head,
                             std::optional<std::string_view>& authority) {
  const auto is_visible = [](char c) { return c > 0x20 && c < 0x7f && c != '#'; };
  if (!std::ranges::all_of(target, is_visible)) {
    return refuse(400, "the request target has a character that has to be escaped");
  }
  if (target == "*" && head.method == "OPTIONS") {
    head.path = "*";
    return {};
  }
  // RFC 9112 3.2.2: a server takes the absolute form too.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const auto path = target.find_first_of("/?");
    authority = target.substr(0, path);
    if (!is_host_and_port(*authority)) return refuse(400, "the request target names no host");
    target = path == std::string_view::npos ? "/" : target.substr(path);
    break;
  }
  const auto mark = target.find('?');
  auto path = target.substr(0, mark);
  if (path.empty() && mark != std::string_view::npos) path = "/";
  if (!path.starts_with('/')) return refuse(400, "the request target is no path");
  auto decoded = percent_decode(path, Plus::is_itself);
  if (!decoded) return refuse(400, "the path has a bad escape");
  head.path = *std::move(decoded);
  if (mark == std::string_view::npos) return {};
  auto query = target.substr(mark + 1);
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), Plus::is_space);
    auto value = percent_decode(
        equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1),
        Plus::is_space);
    if (!name || !value) return refuse(400, "the query has a bad escape");
    head.query.emplace_back(*std::move(name), *std::move(value));
  }
  return {};
}

OrRefusal<void> parse_request_line(std::string_view line, RequestHead& head,
                                   std::optional<std::string_view>& authority) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return refuse(400, "the request line is not METHOD TARGET VERSION");
  }
  const auto method = line.substr(0, first);
  const auto version = line.substr(last + 1);
  if (!is_token(method)) return refuse(400, "the method is no token");
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) ||
      version[6] != '.' || !is_digit(version[7])) {
    return refuse(400, "the request line does not end in an HTTP version");
  }
  if (version[5] != '1') return refuse(505, "only HTTP/1.1 is spoken here");
  if (std::ranges::find(kMethods, method) == kMethods.end()) {
    return refuse(501, "the method is not known");
  }
  head.minor_version = version[7] == '0' ? 0 : 1;
  head.method = method;
  return parse_target(line.substr(first + 1, last - first - 1), head, authority);
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

OrRefusal<std::size_t> find_head_end(std::string_view bytes, std::size_t& scanned) {
  // The first byte of every TLS handshake, and of no request.
  if (bytes.starts_with('\x16')) {
    return refuse(400, "TLS was spoken to a port that speaks plain HTTP: use http:// here");
  }
  while (true) {
    const auto at = bytes.find('\n', scanned);
    if (at == std::string_view::npos) {
      scanned = bytes.size();
      return 0;
    }
    scanned = at + 1;
    if (at == 0 || bytes[at - 1] != '\r') {
      return refuse(400, "a line of the head does not end in CR LF");
    }
    if (at >= 3 && bytes[at - 2] == '\n') return at + 1;
  }
}

OrRefusal<RequestHead> parse_head(std::string_view text) {
  RequestHead head;
  std::optional<std::string_view> authority;
  if (auto parsed = parse_request_line(take_line(text), head, authority); !parsed) {
    return std::unexpected(std::move(parsed).error());
  }
  int hosts = 0, lengths = 0, codings = 0;
  bool asks_close = false, asks_keep_alive = false;
  while (true) {
    const auto line = take_line(text);
    if (line.empty()) break;
    if (line.front() == ' ' || line.front() == '\t') return refuse(400, "a header is folded");
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return refuse(400, "a header has no colon");
    const auto name = line.substr(0, colon);
    if (!is_token(name)) return refuse(400, "the name of a header is no token");
    auto value = trim(line.substr(colon + 1));
    if (!std::ranges::all_of(value, is_field_char)) {
      return refuse(400, "the value of a header has a control character");
    }
    if (head.headers.size() == kMaxFields) return refuse(431, "more than 128 headers");
    if (equal_ignoring_case(name, "Host")) {
      ++hosts;
      // RFC 9112 3.2: empty where the target has no host of its own.
      if (!value.empty() && !is_host_and_port(value)) return refuse(400, "Host is no host");
      // RFC 9112 3.2.2: the host that an absolute form names is the one that counts.
      value = authority.value_or(value);
    } else if (equal_ignoring_case(name, "Content-Length")) {
      ++lengths;
      const auto length = parse_number(value, 10);
      if (!length) return refuse(400, "Content-Length is no number");
      head.content_length = *length;
    } else if (equal_ignoring_case(name, "Transfer-Encoding")) {
      ++codings;
      if (!equal_ignoring_case(value, "chunked")) {
        return refuse(501, "the only transfer coding known here is chunked");
      }
      head.chunked = true;
    } else if (equal_ignoring_case(name, "Connection")) {
      asks_close = asks_close || list_has(value, "close");
      asks_keep_alive = asks_keep_alive || list_has(value, "keep-alive");
    } else if (equal_ignoring_case(name, "Expect")) {
      if (!equal_ignoring_case(value, "100-continue")) {
        return refuse(417, "the only expectation known here is 100-continue");
      }
      head.expects_continue = true;
    }
    head.headers.emplace_back(name, value);
  }
  if (hosts > 1 || (hosts == 0 && head.minor_version == 1)) {
    return refuse(400, "a request has exactly one Host");
  }
  if (lengths > 1) return refuse(400, "two Content-Lengths");
  if (codings > 1) return refuse(400, "two Transfer-Encodings");
  if (lengths == 1 && codings == 1) {
    return refuse(400, "both Content-Length and Transfer-Encoding");
  }
  if (codings == 1 && head.minor_version == 0) {
    return refuse(400, "HTTP/1.0 has no Transfer-Encoding");
  }
  head.keep_alive = !asks_close && (head.minor_version == 1 || asks_keep_alive);
  head.expects_continue = head.expects_continue && head.minor_version == 1;
  return head;
}

std::optional<std::string> percent_decode(std::string_view text, Plus plus) {
  const auto is_itself = [plus](char c) {
    return c != '%' && (c != '+' || plus == Plus::is_itself);
  };
  if (std::ranges::all_of(text, is_itself)) return std::string(text);  // nearly always
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

OrRefusal<std::size_t> ChunkedDecoder::feed(std::string_view bytes, std::string& body) {
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ != State::done) {
    if (state_ == State::data) {
      const auto some = std::min<std::uint64_t>(chunk_left_, bytes.size() - taken);
      body.append(bytes.substr(taken, some));
      taken += some;
      chunk_left_ -= some;
      if (chunk_left_ == 0) state_ = State::data_end;
      continue;
    }
    const char c = bytes[taken++];
    line_ += c;
    if (line_.size() > max_line_bytes_) return refuse(400, "a line of a chunked body is too long");
    if (c != '\n') continue;
    if (line_.size() < 2 || line_[line_.size() - 2] != '\r') {
      return refuse(400, "a line of a chunked body does not end in CR LF");
    }
    line_.resize(line_.size() - 2);
    if (auto stepped = take_line(); !stepped) return std::unexpected(std::move(stepped).error());
    if (state_ == State::data && chunk_left_ > max_body_bytes_ - body.size()) {
      return refuse(413, "the body is too large");
    }
    line_.clear();
  }
  return taken;
}

OrRefusal<void> ChunkedDecoder::take_line() {
  switch (state_) {
    case State::size_line: {
      // RFC 9112 7.1.1: white space is allowed before an extension's ";" and nowhere else.
      auto digits = std::string_view(line_);
      if (const auto extension = digits.find(';'); extension != std::string_view::npos) {
        digits = digits.substr(0, extension);
        digits = digits.substr(0, digits.find_last_not_of(" \t") + 1);
      }
      const auto size = parse_number(digits, 16);
      if (!size) return refuse(400, "the size of a chunk is no number");
      if (!std::ranges::all_of(line_, is_field_char)) {
        return refuse(400, "an extension of a chunk has a control character");
      }
      chunk_left_ = *size;
      state_ = *size == 0 ? State::trailer_line : State::data;
      return {};
    }
    case State::data_end:
      if (!line_.empty()) return refuse(400, "a chunk is longer than its size");
      state_ = State::size_line;
      return {};
    case State::trailer_line:
      trailer_bytes_ += line_.size();
      if (trailer_bytes_ > max_line_bytes_) return refuse(400, "the trailers are too long");
      if (line_.empty()) {
        state_ = State::done;
      } else if (const auto colon = line_.find(':');
                 colon == std::string::npos ||
                 !is_token(std::string_view(line_).substr(0, colon)) ||
                 !std::ranges::all_of(line_, is_field_char)) {
        return refuse(400, "a trailer is no header");
      }
      return {};
    case State::data:
    case State::done: break;
  }
  return {};
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

}  // namespace betedge::net
