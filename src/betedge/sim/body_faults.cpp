#include "betedge/sim/body_faults.hpp"

#include <algorithm>
#include <utility>

namespace betedge::sim {

namespace {

std::size_t after_line(std::string_view text, std::size_t from) {
  const auto end = text.find('\n', from);
  return end == std::string_view::npos ? text.size() : end + 1;
}

}  // namespace

std::string without_rows(std::string_view page, Form form) {
  return form == Form::v2_json ? "]}" : std::string(page.substr(0, after_line(page, 0)));
}

std::string half_of_rows(std::string_view page, Form form) {
  if (form != Form::v2_json) return std::string(page.substr(0, after_line(page, page.size() / 2)));
  const auto cut = page.find("},{", page.size() / 2);
  if (cut != std::string_view::npos) return std::string(page.substr(0, cut + 1)) + "]}";
  const auto row = page.find("],[", page.size() / 2);
  if (row == std::string_view::npos) return std::string(page);
  return std::string(page.substr(0, row + 1)) + "]}";
}

std::string cut_in_a_row(std::string_view page) {
  const auto line = after_line(page, page.size() / 2);
  const auto from = line < page.size() ? line : page.size() / 2;
  return std::string(page.substr(0, std::min(page.size() - 1, from + 25)));
}

std::string misnamed(std::string_view page, Form form, Schema schema) {
  const std::string_view name = schema == Schema::quote ? "bid" : "close";
  const auto header_end = form == Form::v2_json ? page.find(']') : after_line(page, 0);
  auto text = std::string(page);
  for (std::size_t at = text.find(name); at < header_end; at = text.find(name, at + 1)) {
    const auto is_letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); };
    if (at > 0 && is_letter(text[at - 1])) continue;
    if (is_letter(text[at + name.size()])) continue;
    text[at + 1] = '1';
    break;
  }
  return text;
}

std::string with_other_columns(std::string_view page) {
  std::string text;
  text.reserve(page.size() * 11 / 10);
  bool is_header = true;
  for (std::size_t begin = 0; begin < page.size();) {
    const auto end = after_line(page, begin);
    auto line = page.substr(begin, end - begin);
    begin = end;
    const auto ending = line.ends_with("\r\n") ? std::string_view("\r\n") : std::string_view("\n");
    if (line.ends_with(ending)) line.remove_suffix(ending.size());
    const auto comma = line.rfind(',');
    text += line.substr(comma + 1);
    text += ',';
    text += line.substr(0, comma);
    text += std::exchange(is_header, false) ? ",unheard_of" : ",7";
    text += ending;
  }
  return text;
}

const std::string_view kWebPage =
    "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body><h1>Please sign in to the "
    "network</h1>\n<p>Your request, and others, will go on then.</p></body></html>\n";

}  // namespace betedge::sim
