#pragma once

#include <string_view>

namespace chatixia::registry {

// What a person sees who opens the registry in a browser.
inline constexpr std::string_view index_page = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>chatixia registry</title>
</head>
<body>
<h1>chatixia registry</h1>
<p>This is the control plane of a mesh of agents: it knows which agents there are, introduces
them to each other and keeps tasks for those that are away. What agents say to each other goes
directly between them, encrypted, and never passes through here.</p>
<ul>
<li><a href="/api/registry/agents">Agents</a></li>
<li><a href="/api/hub/tasks/all">Tasks</a></li>
<li><a href="/api/hub/network/topology">Links</a></li>
<li><a href="/api/version">Version</a></li>
</ul>
</body>
</html>
)";

}  // namespace chatixia::registry
