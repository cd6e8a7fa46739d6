#pragma once

#include "base/log.hpp"

namespace chatixia {

// What follows time and level in a line of the log: text, or members of a JSON object.
std::string format_log_line(bool json, std::string_view scope, std::string_view event,
                            Log::Fields fields);

}  // namespace chatixia
