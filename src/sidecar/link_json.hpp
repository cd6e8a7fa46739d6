#pragma once

#include "json/json.hpp"
#include "mesh/link.hpp"

namespace chatixia::sidecar {

// A link as the IPC shows it: docs/protocol/ipc.md, "link".
json::Object link_json(const mesh::LinkReport& link);

// "direct", or "relay" when either end of the path is a relayed candidate.
std::string_view path_kind(const rtc::ice::Path& path);

}  // namespace chatixia::sidecar
