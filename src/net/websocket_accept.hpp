#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "net/stream.hpp"
#include "net/task.hpp"
#include "net/websocket.hpp"

namespace chatixia::net {

using UpgradeRequest = boost::beast::http::request<boost::beast::http::string_body>;

// Answers an upgrade request; null when the client did not speak the protocol, or left. `slot` is
// held as long as the connection.
Task<std::shared_ptr<WebSocket>> accept_websocket(Loop& loop, TcpSocket socket,
                                                  UpgradeRequest request,
                                                  WebSocket::Options options,
                                                  std::shared_ptr<void> slot);

}  // namespace chatixia::net
