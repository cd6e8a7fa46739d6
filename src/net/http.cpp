#include "net/http.hpp"

#include "base/assert.hpp"
#include "net/http_text.hpp"

namespace chatixia::net {
namespace {

template <class Map>
std::string_view first(const Map& map, std::string_view name) {
  const auto found = map.lower_bound(name);
  if (found == map.end() || found->first != name) return {};
  return found->second;
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  return first(headers, name);
}

std::string_view HttpRequest::parameter(std::string_view name) const {
  return first(query, name);
}

HttpResponder& HttpResponder::operator=(HttpResponder&& other) noexcept {
  std::swap(sink_, other.sink_);  // `other` answers what this one had left
  return *this;
}

HttpResponder::~HttpResponder() {
  if (sink_) sink_->respond(make_problem(500, "internal", "the request was dropped"));
}

void HttpResponder::operator()(HttpResponse response) {
  const auto sink = std::move(sink_);
  expects(sink != nullptr);  // one request has one answer
  sink->respond(std::move(response));
}

}  // namespace chatixia::net
