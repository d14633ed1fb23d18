#include "betedge/app/token_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "betedge/app/command.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::app {
namespace {

constexpr std::size_t kLargestFile = std::size_t{1} << 20;

// A file descriptor, closed with it.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_;
};

std::unexpected<Error> cannot(std::string_view what, const std::string& path) {
  return fail(ErrorCode::invalid_request,
              fmt::format("the token file {} cannot be {}: {}", path, what,
                          std::generic_category().message(errno)));
}

Result<std::string> read_whole(const Descriptor& file, const std::string& path) {
  std::string text;
  char buffer[4096];
  while (true) {
    const auto got = ::read(file.number(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot("read", path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kLargestFile) {
      return fail(
          ErrorCode::invalid_request,
          fmt::format("the token file {} is larger than 1 MiB; is it the right one?", path));
    }
  }
}

// Whole lines, behind what is there.
Result<void> append_line(const std::string& path, std::string line) {
  const Descriptor file(::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!file.is_open()) return cannot("opened", path);
  BETEDGE_TRY(const auto before, read_whole(file, path));
  if (!before.empty() && !before.ends_with('\n')) line.insert(0, "\n");
  for (std::string_view rest = line; !rest.empty();) {
    const auto written = ::write(file.number(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot("written", path);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file.number()) != 0) return cannot("written", path);
  return {};
}

struct Wanted {
  std::string name;
  std::string scopes = "submit";
  std::string file;
  bool json = false;
};

// Reads the arguments; a status when there is nothing more to do.
std::optional<int> read_wanted(const std::vector<std::string>& arguments, Wanted& wanted) {
  CLI::App app("Makes a token for the server's clients. It is shown once and kept nowhere.",
               "betedge token");
  app.add_option("NAME", wanted.name, "Whose it is; the name in the log and in async.clients")
      ->required();
  app.add_option("--scope", wanted.scopes,
                 "read, submit (and read) or admin (and both), or several with commas [submit]")
      ->type_name("SCOPE");
  app.add_option("--file", wanted.file,
                 "Append its line to this token file, which is made if it is not there")
      ->type_name("FILE");
  app.add_flag("--json", wanted.json,
               "One JSON object, for scripts: name, scopes, token, line, file");
  app.footer(
      "\nExamples:\n"
      "  betedge token ann --file tokens                  a token that may submit and read\n"
      "  betedge token grafana --scope read --file tokens\n"
      "  BETEDGE_TOKENS=tokens betedge serve              a server that asks for them\n"
      "  BETEDGE_TOKEN=... betedge jobs                   a client that has one\n"
      "A running server takes the file up with SIGHUP. To take a token away, remove its line.");
  if (const auto status = read_arguments(app, arguments)) return status;
  if (!server::is_token_name(wanted.name))
    return complain("NAME must be 1 to 64 letters, digits, dots, dashes and underscores", 2);
  if (!server::parse_scopes(wanted.scopes))
    return complain("--scope must be read, submit or admin, or several with commas between", 2);
  return std::nullopt;
}

}  // namespace

Result<TokenFile> read_token_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return cannot("read", path);
  struct stat status{};
  if (::fstat(file.number(), &status) != 0) return cannot("read", path);
  BETEDGE_TRY(const auto text, read_whole(file, path));
  BETEDGE_TRY(auto tokens, server::TokenTable::parse(text, path));
  TokenFile read{std::move(tokens), std::nullopt};
  if ((status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0) {
    read.warning = fmt::format(
        "others on this machine can read the token file {} or write to it; `chmod 600 {}` keeps it "
        "to you",
        path, path);
  }
  return read;
}

int make_token(const std::vector<std::string>& arguments) {
  Wanted wanted;
  if (const auto status = read_wanted(arguments, wanted)) return *status;
  const auto token = "betedge_" + server::make_secret();
  const auto line =
      fmt::format("{} {} {}", wanted.name, wanted.scopes, server::to_hex(server::sha256(token)));
  if (!wanted.file.empty()) {
    if (const auto written = append_line(wanted.file, line + "\n"); !written)
      return complain(written.error().message, 1);
  }
  if (wanted.json) {
    fmt::print(R"({{"name":{},"scopes":{},"token":{},"line":{},"file":{}}})"
               "\n",
               wire::quoted(wanted.name), wire::quoted(wanted.scopes), wire::quoted(token),
               wire::quoted(line), wanted.file.empty() ? "null" : wire::quoted(wanted.file));
    return 0;
  }
  if (wanted.file.empty()) {
    fmt::print("{}\n{}\n", token, line);
    return complain(
        "the first line is the token, for its owner's BETEDGE_TOKEN; the second is for the "
        "server's token file",
        0);
  }
  fmt::print("{}\n", token);
  return complain(
      fmt::format("its line is in {}; a running server takes it up with SIGHUP", wanted.file), 0);
}

}  // namespace betedge::app
