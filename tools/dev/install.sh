# Installs what is missing from Debian's archive, and asks nothing. Sourced by ./dev.

# What each group is for; docs/dependencies.md says why each package.
packages_of() {
  case $1 in
    build) echo clang-19 lld-19 cmake ninja-build ccache git ca-certificates python3 \
      libboost1.81-dev libboost-json1.81-dev libssl-dev libusrsctp-dev libfmt-dev libspdlog-dev \
      libcli11-dev libmimalloc-dev ;;
    test) echo clang-format-19 clang-tidy-19 libclang-rt-19-dev llvm-19 g++ \
      libgtest-dev libgmock-dev ;;
    interop) echo coturn chromium iproute2 curl $(node_packages) ;;
    bench) echo libbenchmark-dev iproute2 $(node_packages) ;;
    *) echo "dev: no package group '$1'; there are: build test interop bench" >&2 && return 2 ;;
  esac
}

# Debian's Node.js, unless a good one is there already from wherever.
node_packages() {
  local major
  major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/') || true
  if [[ ${major:-0} -lt 18 ]] || ! command -v npm >/dev/null; then echo nodejs npm; fi
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "dev: neither root nor sudo; as root run: ${*}" >&2
    return 1
  fi
}

install_packages() {
  local group wanted=() missing=()
  # shellcheck disable=SC2048
  for group in $*; do
    local packages
    packages=$(packages_of "$group")
    # shellcheck disable=SC2206
    wanted+=($packages)
  done
  if ! command -v dpkg-query >/dev/null; then
    echo "dev: this is no Debian; make sure that you have: ${wanted[*]}" >&2
    return 0
  fi
  mapfile -t missing < <(comm -23 \
    <(printf '%s\n' "${wanted[@]}" | sort -u) \
    <(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "${wanted[@]}" \
      2>/dev/null | sed -n 's/^installed //p' | sort -u))
  [[ ${#missing[@]} -gt 0 ]] || return 0

  echo "dev: installing for $*: ${missing[*]}"
  as_root apt-get update -q || true # a source that is not needed may be out of reach
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}"
  # The tests start the TURN server by themselves; a service of this machine it shall not become.
  if [[ " ${missing[*]} " == *" coturn "* && -d /run/systemd/system ]]; then
    as_root systemctl disable --now coturn
  fi
}

# install_npm FOLDER: what its lock file names, when that is not there yet.
install_npm() {
  local folder=$1 stamp=$1/node_modules/.package-lock.json
  [[ -f $folder/package-lock.json ]] || return 0
  [[ ! -f $stamp || $folder/package-lock.json -nt $stamp ]] || return 0
  echo "dev: installing the Node.js packages of $folder"
  npm ci --prefix "$folder" --no-audit --no-fund
  touch "$stamp"
}
