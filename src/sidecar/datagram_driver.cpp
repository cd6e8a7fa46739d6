#include "sidecar/datagram_driver.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace chatixia::sidecar {
namespace {

constexpr Log log("udp");

// One address alone is bound as it is, so that nothing else of the host is open.
IpAddress bind_address(const std::vector<IpAddress>& only, bool v4) {
  const IpAddress* found = nullptr;
  for (const IpAddress& ip : only) {
    if (ip.is_v4() != v4) continue;
    if (found) return v4 ? IpAddress() : *IpAddress::parse("::");
    found = &ip;
  }
  if (found) return *found;
  return v4 ? IpAddress() : *IpAddress::parse("::");
}

bool has_family(const std::vector<IpAddress>& addresses, bool v4) {
  return std::ranges::any_of(addresses, [&](const IpAddress& ip) { return ip.is_v4() == v4; });
}

}  // namespace

Result<std::unique_ptr<DatagramDriver>> DatagramDriver::open(net::Loop& loop, Options options,
                                                             const Handler& handler) {
  std::unique_ptr<DatagramDriver> driver(new DatagramDriver(std::move(options)));
  const std::vector<IpAddress>& only = driver->options_.addresses;
  for (const bool v4 : {true, false}) {
    if (!only.empty() && !has_family(only, v4)) continue;
    auto socket = net::UdpSocket::bind(loop, {bind_address(only, v4), driver->options_.port}, {});
    if (!socket) {
      if (!v4 && driver->v4_ && only.empty()) {
        log.info("no IPv6 here", {{"why", socket.error().message()}});
        continue;
      }
      return std::unexpected(socket.error());
    }
    (*socket)->on_datagrams(handler);
    (v4 ? driver->v4_ : driver->v6_) = *std::move(socket);
  }
  return driver;
}

void DatagramDriver::send(std::span<const Transmit> batch) {
  // Runs of one family go out together and in order.
  while (!batch.empty()) {
    const bool v4 = batch.front().remote.ip.is_v4();
    const auto end = std::ranges::find_if(
        batch, [&](const Transmit& transmit) { return transmit.remote.ip.is_v4() != v4; });
    const auto run = static_cast<std::size_t>(end - batch.begin());
    if (const auto& socket = v4 ? v4_ : v6_) socket->send(batch.first(run));
    batch = batch.subspan(run);
  }
}

std::vector<Endpoint> DatagramDriver::addresses() const {
  std::vector<Endpoint> endpoints;
  const bool chosen = !options_.addresses.empty();
  for (const IpAddress& ip : chosen ? options_.addresses : net::interface_addresses()) {
    const auto& socket = ip.is_v4() ? v4_ : v6_;
    if (!socket || (ip.is_loopback() && !chosen && !options_.offer_loopback)) continue;
    endpoints.push_back({ip, socket->local().port});
  }
  return endpoints;
}

}  // namespace chatixia::sidecar
