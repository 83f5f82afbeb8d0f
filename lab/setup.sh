#!/bin/bash
# Makes a fresh Debian 12 or 13 ready for `make demo` and `make test`: Debian packages, the virtual
# environment, and the servers that the lab takes from other Debian suites. Runs as root or with sudo;
# needs neither when nothing is missing. Changes nothing that is already as it should be, starts no
# daemon, and says on stderr what it does, one line a step.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly LOGS=.cache/setup
readonly STAMP=.venv/.dialtone-setup
readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='dialtone set-up: no daemon starts while packages are installed'

# What the lab and the tests run. Kamailio's modules: sqlite (phones), presence, extra and utils
# (JSON-RPC and statistics over HTTP). The mariadb -core packages hold the programs without a service;
# galera-4 makes a cluster of them, libfaketime gives one of them a clock that is wrong.
readonly PACKAGES=(
    ca-certificates openssl python3 python3-venv
    kamailio kamailio-sqlite-modules kamailio-presence-modules kamailio-extra-modules kamailio-utils-modules
    kamailio-tls-modules
    mariadb-server-core mariadb-client-core galera-4 libfaketime
    sip-tester prometheus tshark
)
# The same by program, for systems that know no Debian packages.
readonly PROGRAMS=(openssl kamailio mariadbd sipp prometheus promtool tshark)

say() { printf 'setup: %s\n' "$*" >&2; }

# die MESSAGE...: one line each, then the end. 69 is EX_UNAVAILABLE of sysexits.h.
die() {
    say "$1"
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit 69
}

now() { date +%s.%N; }

since() { awk -v a="$1" -v b="$(now)" 'BEGIN {printf "%.1f s", b - a}'; }

# step WHAT NAME COMMAND...: one line for a person with its seconds; the output goes to a log, whose
# end is shown if the command fails.
step() {
    local what=$1 log=$LOGS/$2.log began
    shift 2
    began=$(now)
    printf 'setup: %s ... ' "$what" >&2
    if "$@" >"$log" 2>&1 </dev/null; then
        since "$began" >&2
        printf '\n' >&2
    else
        printf 'failed after %s\n' "$(since "$began")" >&2
        tail -n 25 "$log" >&2
        die "that was: $*" "the whole output is in $PWD/$log"
    fi
}

lacking_programs() {
    local program
    for program in "${PROGRAMS[@]}"; do
        command -v "$program" >/dev/null || printf '%s ' "$program"
    done
    choose_python >/dev/null || printf 'python3 (3.11 to 3.13, with venv) '
}

check_system() {
    local ID='' VERSION_ID='' PRETTY_NAME=''
    # shellcheck source=/dev/null
    [ ! -r /etc/os-release ] || . /etc/os-release
    case "$ID-$VERSION_ID" in
        debian-12 | debian-13) return ;;
    esac
    die "this set-up knows Debian 12 and 13; this is ${PRETTY_NAME:-$(uname -s)}." \
        "Not found here of what the demo and the tests run: $(lacking_programs)" \
        "The way without Debian is compose.yaml: docker compose up, then http://127.0.0.1:3000 for Grafana." \
        "The demo and the tests run in a Debian container too:" \
        "  docker run -it -v \"\$PWD\":/dialtone -w /dialtone debian:12 bash -c 'apt-get update && apt-get install -y make && make demo'"
}

# Sets `missing` to the packages that are not installed.
find_missing() {
    local installed package
    installed=$'\n'$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${PACKAGES[@]}" 2>/dev/null || true)$'\n'
    missing=()
    for package in "${PACKAGES[@]}"; do
        [[ $installed == *$'\n'"$package installed"$'\n'* ]] || missing+=("$package")
    done
}

# Kamailio's and Prometheus's packages start and enable their service. Invoke-rc.d asks policy-rc.d
# first, and 101 means "not allowed"; one that is already there stays as it is.
forbid_daemons() {
    if [ -e $POLICY ] && ! grep -qF "$POLICY_MARK" $POLICY; then return; fi
    trap allow_daemons EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    printf '#!/bin/sh\n# %s\nexit 101\n' "$POLICY_MARK" | "${as_root[@]}" tee $POLICY >/dev/null
    "${as_root[@]}" chmod 755 $POLICY
}

allow_daemons() {
    if [ -e $POLICY ] && grep -qF "$POLICY_MARK" $POLICY; then "${as_root[@]}" rm -f $POLICY; fi
}

# Nor shall they start at the next boot: only those that came with the packages installed just now.
disable_services() {
    command -v systemctl >/dev/null || return 0
    local units
    mapfile -t units < <(dpkg -L "${missing[@]}" | sed -n 's|^\(/usr\)\?/lib/systemd/system/\([^@]*\.service\)$|\2|p' | sort -u)
    [ ${#units[@]} -eq 0 ] || "${as_root[@]}" systemctl disable "${units[@]}"
}

# A list that the machine has may be stale, so it is fetched anew whenever there is something to install.
install_packages() {
    "${apt[@]}" update
    "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
    disable_services
}

debian_packages() {
    local missing as_root=() apt
    find_missing
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "Debian packages are missing, and this is neither root nor has it sudo." \
            "As root: apt-get install --no-install-recommends ${missing[*]}" "Then run this again."
        as_root=(sudo)
        say "sudo is used to install Debian packages: ${missing[*]}"
        sudo -v || die "sudo refused." "As root: apt-get install --no-install-recommends ${missing[*]}"
    fi
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q
        -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold)
    forbid_daemons
    step "installing ${#missing[@]} Debian packages (${missing[*]})" apt install_packages
    allow_daemons
    trap - EXIT INT TERM HUP
    find_missing
    [ ${#missing[@]} -eq 0 ] || die "apt-get did not install: ${missing[*]}" "See $PWD/$LOGS/apt.log"
}

# Prints the Python to use: the one on PATH where it fits, else Debian's.
choose_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    return 1
}

# What the virtual environment is made from; when it changes, the environment is brought up to date.
venv_inputs() {
    { cat requirements-dev.txt pyproject.toml; printf '%s\n' "$PWD" "$(readlink -f .venv/bin/python)"; } | sha256sum
}

# Whether the environment is up to date, and its programs are really there.
venv_ready() {
    local program
    [ -r $STAMP ] && [ "$(<$STAMP)" = "$(venv_inputs)" ] || return 1
    for program in python dialtone pytest ruff mypy lint-imports; do
        [ -x .venv/bin/$program ] || return 1
    done
}

virtual_environment() {
    if venv_ready; then return; fi
    if ! .venv/bin/python -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
        local python
        python=$(choose_python) || die "no Python from 3.11 to 3.13 with venv was found (PATH, /usr/bin/python3)"
        step "making the virtual environment .venv with $("$python" -V)" venv "$python" -m venv --clear .venv
    fi
    local pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input)
    # Hashes hold the packages to the ones that were tested. Byte code is made afterwards, on all cores.
    step 'installing the pinned Python packages (requirements-dev.txt)' pip \
        "${pip[@]}" install --progress-bar off --require-hashes --no-compile -r requirements-dev.txt
    # --no-build-isolation: the build backend is one of the pinned packages, none is downloaded for it.
    step 'installing dialtone into .venv (editable)' dialtone \
        "${pip[@]}" install --no-deps --no-build-isolation --editable .
    step 'compiling to byte code' compile .venv/bin/python -m compileall -q -j 0 .venv/lib
    venv_inputs >$STAMP
}

main() {
    local began
    began=$(now)
    check_system
    mkdir -p $LOGS
    exec 9>$LOGS/lock # two set-ups of one tree wait for each other
    flock 9
    debian_packages
    virtual_environment
    .venv/bin/python -m lab.debian fetch || die "the lab's servers from other Debian suites could not be had (above: why)"
    say "ready, $(since "$began")"
}

main "$@"
