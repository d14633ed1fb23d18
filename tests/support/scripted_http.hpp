#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "betedge/net/http_client.hpp"

namespace betedge::testing {

// One answer of a server, or why there is none.
struct Scripted {
  int status = 200;
  std::string body{};
  net::Headers headers{};
  std::optional<Error> error{};
  std::size_t piece_bytes = std::string::npos;  // how much of the body comes at a time
};

// A server that answers from a list, the last answer again and again, and keeps what it was asked.
// An upload's file is read as its request comes.
class ScriptedHttp final : public net::HttpClient {
 public:
  Task<Result<std::unique_ptr<net::HttpResponse>>> send(net::HttpRequest request,
                                                        std::stop_token stop) override {
    if (stop.stop_requested()) co_return fail(ErrorCode::cancelled, "stopped");
    std::string body = request.body;
    if (request.upload_fd >= 0) {
      body.resize(request.upload_bytes);
      const auto got = ::pread(request.upload_fd, body.data(), body.size(),
                               static_cast<off_t>(request.upload_offset));
      body.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    asked.push_back(fmt::format("{} {}", request.method, request.url));
    bodies.push_back(std::move(body));
    requests.push_back(std::move(request));
    auto first = answer_first ? answer_first(requests.back()) : std::nullopt;
    auto answer = first ? *std::move(first) : answers.front();
    if (!first && answers.size() > 1) answers.pop_front();
    if (on_ask) on_ask(asked.size());
    if (answer.error) co_return std::unexpected(*answer.error);
    std::unique_ptr<net::HttpResponse> response = std::make_unique<Response>(std::move(answer));
    co_return response;
  }

  std::deque<Scripted> answers{Scripted{}};
  // What it answers comes before the list.
  std::function<std::optional<Scripted>(const net::HttpRequest& request)> answer_first;
  std::vector<std::string> asked;  // "GET http://127.0.0.1:8000/jobs"
  std::vector<std::string> bodies;
  std::vector<net::HttpRequest> requests;
  std::function<void(std::size_t number)> on_ask;

 private:
  class Response final : public net::HttpResponse {
   public:
    explicit Response(Scripted answer) : answer_(std::move(answer)) {}
    int status() const override { return answer_.status; }
    std::optional<std::string> header(std::string_view name) const override {
      for (const auto& [candidate, value] : answer_.headers) {
        if (candidate == name) return value;
      }
      return std::nullopt;
    }
    Task<Result<Bytes>> next() override {
      const auto text = std::string_view(answer_.body).substr(0, answer_.piece_bytes);
      const auto bytes = as_bytes(text);
      Bytes piece(bytes.begin(), bytes.end());
      answer_.body.erase(0, text.size());
      co_return piece;
    }

   private:
    Scripted answer_;
  };
};

}  // namespace betedge::testing
