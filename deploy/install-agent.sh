#!/bin/sh
# Installs, upgrades or removes the distilbench agent on 64-bit Raspberry Pi OS, Debian or Ubuntu. Run it as root.
#
#   install-agent.sh [--wheels FOLDER | --wheel FILE] [--config FOLDER]
#   install-agent.sh --rollback | --uninstall | --purge
#
#   --wheels FOLDER  install everything from this folder, which make-wheelhouse.sh made: no internet is needed.
#                    If this script lies beside wheels, its own folder is the default.
#   --wheel FILE     install distilbench from this wheel and the rest from the package index
#                    One of the two is needed: distilbench itself is never taken from a package index.
#   --config FOLDER  the settings that `collector provision DEVICE --to FOLDER` made for this device
#   --rollback       go back to the previous version
#   --uninstall      remove the program; keep results in /var/lib/distilbench and settings in /etc/distilbench
#   --purge          remove the program, its results and settings, and the system user
#
# It writes to /opt/distilbench, /etc/distilbench, /var/lib/distilbench and /etc/systemd/system, makes the system
# user distilbench, and changes nothing else. It never overwrites existing settings. Running it again changes nothing.
set -eu
export PYTHONSAFEPATH=1 # no Python imports from the current folder, which may be anyone's

PROGRAM=/opt/distilbench
SETTINGS=/etc/distilbench
DATA=/var/lib/distilbench
UNITS=/etc/systemd/system
OWNER=distilbench
NEEDED_MB=500
NEEDED_MEMORY_MB=900

say() { echo "$*" >&2; }
fail() { say "install-agent.sh: $*"; exit 1; }
usage() { say "install-agent.sh: $*; see --help"; exit 2; }
manages() { [ -d /run/systemd/system ]; } # true if systemd runs here

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

parse() {
    action=install wheels='' wheel='' config=''
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

check_machine() {
    [ "$(id -u)" -eq 0 ] || fail "run it as root: sudo $0"
    case $(uname -m) in
        aarch64 | x86_64) ;;
        *) fail "this processor is '$(uname -m)', but onnxruntime has wheels for aarch64 and x86_64 only" ;;
    esac
    [ "$(getconf LONG_BIT)" = 64 ] ||
        fail "this system is 32-bit, and there is no onnxruntime for it: install the 64-bit Raspberry Pi OS"
    command -v python3 >/dev/null || fail "python3 is missing: apt install python3 python3-venv"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "this is $(python3 --version), but 3.11 or later is needed: upgrade to Debian 12 or Ubuntu 24.04"
    python3 -c 'import ensurepip, venv' 2>/dev/null || fail "python3 lacks its venv module: apt install python3-venv"
    free=$(df -Pm /opt 2>/dev/null | awk 'NR==2 {print $4}')
    [ "${free:-0}" -ge "$NEEDED_MB" ] || fail "/opt has ${free:-0} MB free, but $NEEDED_MB MB are needed"
    memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo 2>/dev/null)
    [ "${memory:-0}" -ge "$NEEDED_MEMORY_MB" ] ||
        fail "this machine has ${memory:-0} MB of memory, but the smallest model needs $NEEDED_MEMORY_MB MB"
    [ "$(date +%Y)" -ge 2025 ] ||
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

install_program() {
    release=releases/$(release_name)
    if [ -e "$PROGRAM/$release/complete" ]; then
        say "program    up to date"
    else
        say "program    installing; this takes some minutes on a small board"
        rm -rf "${PROGRAM:?}/$release"
        install -d -m 0755 "$PROGRAM" "$PROGRAM/releases"
        python3 -m venv "$PROGRAM/$release"
        pip="$PROGRAM/$release/bin/python -m pip --disable-pip-version-check --no-cache-dir install --quiet --no-compile --only-binary :all:"
        # shellcheck disable=SC2086 # $pip is several words
        if [ -n "$wheels" ]; then
            $pip --no-index --find-links "$wheels" distilbench
        else
            $pip "$(cd -- "$(dirname -- "$wheel")" && pwd)/${wheel##*/}"
        fi || { rm -rf "${PROGRAM:?}/$release"; fail "the program could not be installed; the reason is above"; }
        # Importing the modules compiles those that the agent uses. Compiling all would take a quarter more space.
        "$PROGRAM/$release/bin/python" -c 'import agent.cli, agent.worker.main, agent.delivery.publisher, agent.running.campaign, agent.bundles.fetch' ||
            { rm -rf "${PROGRAM:?}/$release"; fail "the program does not start; the reason is above"; }
        # They are not needed any more: the next version brings its own pip.
        for tool in setuptools pip; do
            "$PROGRAM/$release/bin/python" -m pip --disable-pip-version-check uninstall --quiet --yes "$tool" 2>/dev/null ||
                true
        done
        touch "$PROGRAM/$release/complete"
    fi
    switch_to "$release"
    # Keep the previous release, for --rollback.
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
                install -m "$(mode_of "$file")" -o "$(owner_of "$file")" "$config/$file" "$SETTINGS/$file"
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

# Compares without the state folder, which write_settings adds.
same_settings() { [ "$(grep -v '^state-dir' "$1")" = "$(grep -v '^state-dir' "$2")" ]; }
mode_of() { case $1 in password | client.key) echo 0600 ;; *) echo 0644 ;; esac; }
owner_of() { case $1 in password | client.key) echo "$OWNER" ;; *) echo root ;; esac; }

install_units() {
    changed=
    [ -d "$UNITS" ] || { say "service    no units written, since there is no $UNITS"; return; }
    for unit in distilbench-agent.service distilbench-agent.timer; do
        cmp -s "$units/$unit" "$UNITS/$unit" && continue
        install -m 0644 "$units/$unit" "$UNITS/$unit"
        changed=1
    done
    [ -z "$changed" ] || say "service    units written to $UNITS"
    if manages; then
        [ -z "$changed" ] || systemctl daemon-reload
        systemctl enable --quiet --now distilbench-agent.timer
    fi
}

examine() {
    say "doctor"
    runuser -u "$OWNER" -- "$PROGRAM/current/bin/agent" doctor --config "$SETTINGS/agent.toml" >&2 ||
        say "the agent is installed, but fix the problems above before it can measure"
}

next_steps() {
    say "
Next:
  agent        sudo -u $OWNER $PROGRAM/current/bin/agent COMMAND; other users cannot look into $DATA
  bundles      agent fetch URL --to $DATA/bundles, or copy them there as root
  try it       agent run $DATA/bundles/NAME --questions $DATA/FILE
  repeat it    write $SETTINGS/plan.toml; the timer then starts it: systemctl list-timers distilbench-agent.timer"
    manages || say "  systemd does not run here, so start 'agent run-plan' by other means"
}

# --- removal ---------------------------------------------------------------------------------------------------

uninstall() {
    if manages && [ -e "$UNITS/distilbench-agent.timer" ]; then
        systemctl disable --quiet --now distilbench-agent.timer || true
        systemctl stop distilbench-agent.service || true
    fi
    rm -f "$UNITS/distilbench-agent.service" "$UNITS/distilbench-agent.timer"
    ! manages || systemctl daemon-reload
    rm -rf "$PROGRAM"
    if [ "$action" = purge ]; then
        rm -rf "$DATA" "$SETTINGS"
        ! id "$OWNER" >/dev/null 2>&1 || userdel "$OWNER"
        say "the agent, its results and its settings are removed"
    else
        say "the agent is removed; results in $DATA and settings in $SETTINGS are kept, and --purge removes them"
    fi
}

rollback() {
    before=$(readlink "$PROGRAM/previous" || true)
    [ -n "$before" ] || fail "there is no previous version to go back to"
    switch_to "$before"
    say "back to $("$PROGRAM/current/bin/agent" --version)"
}

parse "$@"
if [ "$action" != install ]; then
    [ "$(id -u)" -eq 0 ] || fail "run it as root: sudo $0"
fi
case $action in
    uninstall | purge) uninstall ;;
    rollback) rollback ;;
    install)
        check_machine
        check_sources
        make_user
        install_program
        write_settings
        install_units
        examine
        next_steps
        ;;
esac
