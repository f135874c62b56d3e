#!/bin/sh
# Installs, upgrades or removes the distilbench agent on 64-bit Raspberry Pi OS, Debian or Ubuntu. Run it as root.
#
#   install-agent.sh [--wheels FOLDER | --wheel FILE] [--config FOLDER] [--user]
#   install-agent.sh --rollback | --uninstall | --purge [--user]
#
#   --wheels FOLDER  install everything from this folder, which make-wheelhouse.sh made: no internet is needed.
#                    If this script lies beside wheels, its own folder is the default.
#   --wheel FILE     install distilbench from this wheel and the rest from the package index
#                    One of the two is needed: distilbench itself is never taken from a package index.
#   --config FOLDER  the settings that `collector provision DEVICE --to FOLDER` made for this device
#   --user           install for yourself, without root, into ~/.local and ~/.config
#   --rollback       go back to the previous version
#   --uninstall      remove the program; keep results and settings
#   --purge          remove the program, its results and settings, and the system user
#
# It writes to /opt/distilbench, /etc/distilbench, /var/lib/distilbench and /etc/systemd/system, makes the system
# user distilbench, and changes nothing else. It never overwrites existing settings. Running it again changes nothing.
# With --user, it writes to ~/.local/share/distilbench, ~/.config/distilbench, ~/.local/state/distilbench and
# ~/.config/systemd/user.
#
# The script with which a board joins a hub is another one: it includes this one for the checks and the parts.
set -eu
export PYTHONSAFEPATH=1 # no Python imports from the current folder, which may be anyone's
umask 022

SCRIPT=install-agent.sh
PROGRAM=/opt/distilbench
SETTINGS=/etc/distilbench
DATA=/var/lib/distilbench
UNITS=/etc/systemd/system
OWNER=distilbench
PLACE_OF_PROGRAM=/opt
TIMER=distilbench-agent.timer
SERVE=distilbench-agent-serve.service
NEEDED_MB=500
NEEDED_MEMORY_MB=900
NEEDED_YEAR=2025
NEEDED_MODULES='ensurepip, venv'
rights=root wheels='' wheel='' config='' units=''

say() { echo "$*" >&2; }
fail() { say "$SCRIPT: $*"; exit 1; }
usage() { say "$SCRIPT: $*; see --help"; exit 2; }
as_root() { [ "$rights" = root ]; }

# True if systemd runs here and manages the services of root, or of this user.
manages() {
    [ -d /run/systemd/system ] || return 1
    as_root || systemctl --user show-environment >/dev/null 2>&1
}
service() { if as_root; then systemctl "$@"; else systemctl --user "$@"; fi; }

# Runs a program as the user that the agent has.
as_owner() { if as_root; then runuser -u "$OWNER" -- "$@"; else "$@"; fi; }

for_user() {
    rights=user
    [ -d "${HOME:-}" ] || fail "there is no home folder: set HOME to one"
    PROGRAM=$HOME/.local/share/distilbench
    SETTINGS=$HOME/.config/distilbench
    DATA=$HOME/.local/state/distilbench
    UNITS=$HOME/.config/systemd/user
    PLACE_OF_PROGRAM=$HOME
}

parse() {
    action=install
    while [ $# -gt 0 ]; do
        case $1 in
            --wheels | --wheel | --config)
                [ $# -ge 2 ] || usage "$1 needs a value"
                case $1 in
                    --wheels) wheels=$2 ;;
                    --wheel) wheel=$2 ;;
                    --config) config=$2 ;;
                esac
                shift 2
                ;;
            --user) for_user; shift ;;
            --rollback | --uninstall | --purge) action=${1#--}; shift ;;
            -h | --help) sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
            *) usage "unknown argument '$1'" ;;
        esac
    done
    [ -z "$wheels" ] || [ -z "$wheel" ] || usage "--wheels and --wheel cannot be used together"
    if [ -z "$wheels$wheel" ] && [ -n "$(find "$here" -maxdepth 1 -name 'distilbench-*.whl')" ]; then
        wheels=$here
    fi
    # Whoever registers a name at a package index decides what root installs under it.
    [ "$action" != install ] || [ -n "$wheels$wheel" ] ||
        usage "name what to install: --wheels FOLDER, which make-wheelhouse.sh makes, or --wheel FILE"
}

# --- checks, before anything is changed: each stops with one sentence ------------------------------------------

check_rights() {
    if as_root; then [ "$(id -u)" -eq 0 ] || fail "run it as root: sudo $0, or for yourself with --user"; fi
}

check_machine() {
    check_rights
    case $(uname -m) in
        aarch64 | x86_64) ;;
        *) fail "this processor is '$(uname -m)', but onnxruntime has wheels for aarch64 and x86_64 only" ;;
    esac
    [ "$(getconf LONG_BIT)" = 64 ] ||
        fail "this system is 32-bit, and there is no onnxruntime for it: install the 64-bit Raspberry Pi OS"
    getconf GNU_LIBC_VERSION >/dev/null 2>&1 ||
        fail "this system has no glibc, and there is no onnxruntime for it: use Debian, Ubuntu or Raspberry Pi OS"
    command -v python3 >/dev/null || fail "python3 is missing: apt install python3 python3-venv"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "this is $(python3 --version), but 3.11 or later is needed: upgrade to Debian 12 or Ubuntu 24.04"
    python3 -c "import $NEEDED_MODULES" 2>/dev/null || fail "python3 lacks its venv module: apt install python3-venv"
    free=$(df -Pm "$PLACE_OF_PROGRAM" 2>/dev/null | awk 'NR==2 {print $4}')
    [ "${free:-0}" -ge "$NEEDED_MB" ] ||
        fail "$PLACE_OF_PROGRAM has ${free:-0} MB free, but $NEEDED_MB MB are needed"
    memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo 2>/dev/null)
    [ "${memory:-0}" -ge "$NEEDED_MEMORY_MB" ] ||
        fail "this machine has ${memory:-0} MB of memory, but the smallest model needs $NEEDED_MEMORY_MB MB"
    [ "$(date +%Y)" -ge "$NEEDED_YEAR" ] ||
        fail "the clock shows $(date +%F), so certificates would fail: set it (timedatectl set-ntp true) and try again"
}

check_sources() {
    [ -z "$wheel" ] || [ -f "$wheel" ] || fail "there is no wheel '$wheel'"
    case ${wheel##*/} in
        '' | distilbench-*.whl) ;;
        *) fail "'$wheel' is not a distilbench-*.whl: make it with python -m build --wheel" ;;
    esac
    if [ -n "$wheels" ]; then
        [ -n "$(find "$wheels" -maxdepth 1 -name 'distilbench-*.whl' 2>/dev/null)" ] ||
            fail "'$wheels' contains no distilbench-*.whl: make a wheelhouse with deploy/make-wheelhouse.sh"
    fi
    if [ -n "$config" ]; then
        [ -f "$config/agent.toml" ] ||
            fail "'$config' contains no agent.toml: make such a folder with collector provision DEVICE --to FOLDER"
    fi
    units=$here/systemd
    [ -f "$units/distilbench-agent.service" ] ||
        fail "there is no '$units/distilbench-agent.service': copy the folder 'systemd' along with this script"
}

# --- parts: each does nothing if its work is already done ------------------------------------------------------

make_user() {
    if ! as_root; then
        [ -d "$DATA" ] || install -d -m 0700 "$DATA"
        [ -d "$SETTINGS" ] || install -d -m 0700 "$SETTINGS"
        return
    fi
    if ! id "$OWNER" >/dev/null 2>&1; then
        useradd --system --user-group --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin "$OWNER"
    fi
    [ -d "$DATA" ] || install -d -m 0700 -o "$OWNER" -g "$OWNER" "$DATA"
    [ -d "$SETTINGS" ] || install -d -m 0755 "$SETTINGS"
}

# Prints a name for what is to be installed; the same content has the same name, so it is not installed twice.
release_name() {
    {
        python3 --version
        if [ -n "$wheels" ]; then
            find "$wheels" -maxdepth 1 -name '*.whl' -exec sha256sum {} + | awk '{print $1}' | sort
        else
            sha256sum <"$wheel"
        fi
    } | sha256sum | cut -c1-12
}

# Makes a folder with the program, and names it in $release; a folder that is there already is not made again.
build_release() {
    release=releases/$(release_name)
    if [ -e "$PROGRAM/$release/complete" ]; then
        say "program    up to date"
        return
    fi
    say "program    installing; this takes some minutes on a small board"
    rm -rf "${PROGRAM:?}/$release"
    mkdir -p "$PROGRAM/releases"
    chmod 0755 "$PROGRAM" "$PROGRAM/releases"
    reason=$(fill_release 2>&1) || { drop_release; fail "the program could not be installed: $(last_error)"; }
    # Importing the modules compiles those that the agent uses. Compiling all would take a quarter more space.
    "$PROGRAM/$release/bin/python" -c 'import agent.cli, agent.worker.main, agent.delivery.publisher, agent.running.campaign, agent.bundles.fetch, agent.serving.serve' ||
        { drop_release; fail "the program does not start; the reason is above"; }
    touch "$PROGRAM/$release/complete"
}

# The last line of $reason that names an error, as pip and venv do, or else its last one.
last_error() {
    echo "$reason" | awk 'NF {last = $0} /^E(RROR|rror): / {error = $0} END {print error ? error : last}' |
        sed 's/^E[Rr][Rr][Oo][Rr]: //'
}

fill_release() {
    own_pip=$([ -z "$wheels" ] || find "$wheels" -maxdepth 1 -name 'pip-*-py3-none-any.whl')
    if [ -n "$own_pip" ]; then # Python runs it from its wheel, and nothing has to be removed afterwards
        python3 -m venv --without-pip "$PROGRAM/$release" || return
        pip=$own_pip/pip
    else
        python3 -m venv "$PROGRAM/$release" || return
        pip=-mpip
    fi
    set -- --disable-pip-version-check --no-cache-dir install --quiet --no-compile --only-binary :all:
    if [ -n "$wheels" ]; then
        "$PROGRAM/$release/bin/python" "$pip" "$@" --no-index --find-links "$wheels" distilbench || return
    else
        "$PROGRAM/$release/bin/python" "$pip" "$@" "$(cd -- "$(dirname -- "$wheel")" && pwd)/${wheel##*/}" || return
    fi
    # They are not needed any more: the next version brings its own pip.
    if [ -z "$own_pip" ]; then
        for tool in setuptools pip; do
            "$PROGRAM/$release/bin/python" -m pip --disable-pip-version-check uninstall --quiet --yes "$tool" 2>/dev/null ||
                true
        done
    fi
    cp "$installer" "$PROGRAM/$release/install-agent.sh"
}

# Removes a program that cannot be used, unless it is used already. (It runs in a trap, where dash has another status
# for a bare `return`.)
drop_release() {
    case $release in
        "$(readlink "$PROGRAM/current" || true)" | "$(readlink "$PROGRAM/previous" || true)") return 0 ;;
    esac
    rm -rf "${PROGRAM:?}/$release"
    rmdir "$PROGRAM/releases" "$PROGRAM" 2>/dev/null || true
}

# Makes the release the one that is used, and removes older ones than the previous one, which --rollback needs.
use_release() {
    switch_to "$release"
    for old in "$PROGRAM"/releases/*; do
        case releases/${old##*/} in
            "$release" | "$(readlink "$PROGRAM/previous" || true)") ;;
            *) rm -rf "$old" ;;
        esac
    done
}

switch_to() {
    now=$(readlink "$PROGRAM/current" || true)
    [ "$now" = "$1" ] && return
    [ -z "$now" ] || ln -sfn "$now" "$PROGRAM/previous"
    ln -sfn "$1" "$PROGRAM/current.new"
    mv -T "$PROGRAM/current.new" "$PROGRAM/current"
}

write_settings() {
    if [ -n "$config" ]; then
        for file in agent.toml password ca.crt client.crt client.key; do
            [ -f "$config/$file" ] || continue
            if [ ! -e "$SETTINGS/$file" ]; then
                put_setting "$file"
                say "settings   $SETTINGS/$file written"
            elif ! same_settings "$config/$file" "$SETTINGS/$file"; then
                say "settings   $SETTINGS/$file differs and is kept: to replace it, remove it and run this again"
            fi
        done
    elif [ ! -e "$SETTINGS/agent.toml" ]; then
        "$PROGRAM/current/bin/agent" config init "$SETTINGS/agent.toml" 2>/dev/null
        chmod 0644 "$SETTINGS/agent.toml"
        say "settings   $SETTINGS/agent.toml written: set in it where results go"
    fi
    if ! grep -q '^state-dir' "$SETTINGS/agent.toml"; then
        printf 'state-dir = "%s"\n' "$DATA" >>"$SETTINGS/agent.toml"
    fi
}

put_setting() {
    if as_root; then
        install -m "$(mode_of "$1")" -o "$(owner_of "$1")" "$config/$1" "$SETTINGS/$1"
    else
        install -m "$(mode_of "$1")" "$config/$1" "$SETTINGS/$1"
    fi
}

# Compares without the state folder, which write_settings adds.
same_settings() { [ "$(grep -v '^state-dir' "$1")" = "$(grep -v '^state-dir' "$2")" ]; }
mode_of() { case $1 in password | client.key | order-secret) echo 0600 ;; *) echo 0644 ;; esac; }
owner_of() { case $1 in password | client.key | order-secret) echo "$OWNER" ;; *) echo root ;; esac; }

install_units() {
    if as_root; then
        write_units distilbench-agent.service "$TIMER"
        [ ! -e "$UNITS/$SERVE" ] || write_units "$SERVE"
        manages || return 0
        service enable --quiet --now "$TIMER"
        restart_serve
    elif [ -e "$UNITS/$SERVE" ]; then
        write_units "$SERVE"
        ! manages || restart_serve
    fi
}

# Writes these units, unless they are there already.
write_units() {
    changed=
    as_root || mkdir -p "$UNITS"
    [ -d "$UNITS" ] || { say "service    no units written, since there is no $UNITS"; return; }
    for unit in "$@"; do
        source=$units/$unit
        as_root || source=$units/${unit%.service}-user.service
        cmp -s "$source" "$UNITS/$unit" && continue
        install -m 0644 "$source" "$UNITS/$unit"
        changed=1
    done
    [ -n "$changed" ] || return 0
    say "service    units written to $UNITS"
    ! manages || service daemon-reload
}

# A service that runs goes on with the version that is used now.
restart_serve() { [ ! -e "$UNITS/$SERVE" ] || service try-restart "$SERVE"; }

examine() {
    say "doctor"
    as_owner "$PROGRAM/current/bin/agent" doctor --config "$SETTINGS/agent.toml" >&2
}

next_steps() {
    if as_root; then
        say "
Next:
  agent        sudo -u $OWNER $PROGRAM/current/bin/agent COMMAND; other users cannot look into $DATA
  bundles      agent fetch URL --to $DATA/bundles, or copy them there as root
  try it       agent run $DATA/bundles/NAME --questions $DATA/FILE
  repeat it    write $SETTINGS/plan.toml; the timer then starts it: systemctl list-timers $TIMER"
        manages || say "  systemd does not run here, so start 'agent run-plan' by other means"
    else
        say "
Next:
  agent        $PROGRAM/current/bin/agent COMMAND
  bundles      agent fetch URL
  try it       agent run bundles/NAME --questions FILE"
    fi
}

# --- removal ---------------------------------------------------------------------------------------------------

uninstall() {
    if manages; then
        for unit in "$TIMER" "$SERVE"; do
            [ ! -e "$UNITS/$unit" ] || service disable --quiet --now "$unit" || true
        done
        [ ! -e "$UNITS/distilbench-agent.service" ] || service stop distilbench-agent.service || true
    fi
    rm -f "$UNITS/distilbench-agent.service" "$UNITS/$TIMER" "$UNITS/$SERVE"
    ! manages || service daemon-reload
    rm -rf "$PROGRAM"
    if [ "$action" = purge ]; then
        rm -rf "$DATA" "$SETTINGS"
        if as_root && id "$OWNER" >/dev/null 2>&1; then userdel "$OWNER"; fi
        say "the agent, its results and its settings are removed"
    else
        say "the agent is removed; results in $DATA and settings in $SETTINGS are kept, and --purge removes them"
    fi
}

rollback() {
    before=$(readlink "$PROGRAM/previous" || true)
    [ -n "$before" ] || fail "there is no previous version to go back to"
    switch_to "$before"
    ! manages || restart_serve
    say "back to $("$PROGRAM/current/bin/agent" --version)"
}

main() {
    here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
    installer=$here/${0##*/}
    parse "$@"
    case $action in
        uninstall | purge) check_rights; uninstall ;;
        rollback) check_rights; rollback ;;
        install)
            check_machine
            check_sources
            make_user
            build_release
            use_release
            write_settings
            install_units
            examine || say "the agent is installed, but fix the problems above before it can measure"
            next_steps
            ;;
    esac
}

[ -n "${DISTILBENCH_PARTS:-}" ] || main "$@"
