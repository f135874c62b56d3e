#!/bin/sh
# Installs or upgrades the distilbench collector as a service, on a Linux machine with systemd. Run it as root.
#
#   install-collector.sh --wheel FILE [--config FOLDER]
#   install-collector.sh --uninstall
#
#   --wheel FILE     install distilbench from this wheel, and the packages that it needs from the package index
#   --config FOLDER  the settings that `collector provision collector --to FOLDER` made
#   --uninstall      remove the program and the service; keep results and settings
#
# It writes to /opt/distilbench, /etc/distilbench, /var/lib/distilbench and /etc/systemd/system, and makes the system
# user distilbench. The agent's installer uses the same places, so a machine has one of the two: a machine that also
# receives results would disturb its own measurements.
set -eu
export PYTHONSAFEPATH=1 # no Python imports from the current folder, which may be anyone's

PROGRAM=/opt/distilbench
SETTINGS=/etc/distilbench
DATA=/var/lib/distilbench
UNIT=/etc/systemd/system/distilbench-collector.service
AGENT_UNIT=/etc/systemd/system/distilbench-agent.service
OWNER=distilbench

say() { echo "$*" >&2; }
fail() { say "install-collector.sh: $*"; exit 1; }
usage() { say "install-collector.sh: $*; see --help"; exit 2; }
manages() { [ -d /run/systemd/system ]; } # true if systemd runs here

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

action=install wheel='' config=''
while [ $# -gt 0 ]; do
    case $1 in
        --wheel | --config)
            [ $# -ge 2 ] || usage "$1 needs a value"
            case $1 in --wheel) wheel=$2 ;; --config) config=$2 ;; esac
            shift 2
            ;;
        --uninstall) action=uninstall; shift ;;
        -h | --help) sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        *) usage "unknown argument '$1'" ;;
    esac
done

check() {
    [ ! -e "$AGENT_UNIT" ] || fail "the agent is installed here: give the collector a machine of its own"
    python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or later with its venv module is needed: apt install python3-venv"
    case ${wheel##*/} in
        distilbench-*.whl) ;;
        *) fail "'$wheel' is not a distilbench-*.whl: make it with python -m build --wheel" ;;
    esac
    [ -f "$wheel" ] || fail "there is no wheel '$wheel'"
    [ -f "$here/systemd/distilbench-collector.service" ] ||
        fail "there is no '$here/systemd/distilbench-collector.service': run this script in a clone"
    [ -z "$config" ] || [ -f "$config/collector.toml" ] ||
        fail "'$config' contains no collector.toml: make it with collector provision collector --to FOLDER"
}

make_user() {
    id "$OWNER" >/dev/null 2>&1 ||
        useradd --system --user-group --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin "$OWNER"
    [ -d "$DATA" ] || install -d -m 0700 -o "$OWNER" -g "$OWNER" "$DATA"
    [ -d "$SETTINGS" ] || install -d -m 0755 "$SETTINGS"
}

install_program() {
    release=releases/$(sha256sum <"$wheel" | cut -c1-12)
    if [ ! -e "$PROGRAM/$release/complete" ]; then
        say "program    installing; this takes a minute"
        rm -rf "${PROGRAM:?}/$release"
        install -d -m 0755 "$PROGRAM" "$PROGRAM/releases"
        python3 -m venv "$PROGRAM/$release"
        "$PROGRAM/$release/bin/python" -m pip --disable-pip-version-check install --quiet --only-binary :all: \
            --constraint "$here/../constraints.txt" \
            "$(cd -- "$(dirname -- "$wheel")" && pwd)/${wheel##*/}[collector,hub]" ||
            { rm -rf "${PROGRAM:?}/$release"; fail "the program could not be installed; the reason is above"; }
        "$PROGRAM/$release/bin/collector" --version >/dev/null || fail "the program does not start; the reason is above"
        touch "$PROGRAM/$release/complete"
    fi
    ln -sfn "$release" "$PROGRAM/current.new"
    mv -T "$PROGRAM/current.new" "$PROGRAM/current"
    say "program    $("$PROGRAM/current/bin/collector" --version)"
}

write_settings() {
    for file in collector.toml password ca.crt; do
        if [ -n "$config" ] && [ -f "$config/$file" ] && [ ! -e "$SETTINGS/$file" ]; then
            case $file in password) mode=0600 owner=$OWNER ;; *) mode=0644 owner=root ;; esac
            install -m "$mode" -o "$owner" "$config/$file" "$SETTINGS/$file"
            say "settings   $SETTINGS/$file written"
        fi
    done
    [ -e "$SETTINGS/collector.toml" ] || fail "there is no $SETTINGS/collector.toml: run this again with --config FOLDER"
    # A relative path is relative to the settings, where the service cannot write.
    sed -i "s|^db = \"results.db\"|db = \"$DATA/results.db\"|" "$SETTINGS/collector.toml"
    grep -q '^db = ' "$SETTINGS/collector.toml" || printf 'db = "%s/results.db"\n' "$DATA" >>"$SETTINGS/collector.toml"
}

install_unit() {
    [ -d "${UNIT%/*}" ] || { say "service    no unit written, since there is no ${UNIT%/*}"; return; }
    install -m 0644 "$here/systemd/distilbench-collector.service" "$UNIT"
    if manages; then
        systemctl daemon-reload
        systemctl enable --quiet distilbench-collector.service
        systemctl restart distilbench-collector.service
        say "service    started: systemctl status distilbench-collector"
    else
        say "service    systemd does not run here, so start 'collector serve' by other means"
    fi
}

uninstall() {
    if manages && [ -e "$UNIT" ]; then
        systemctl disable --quiet --now distilbench-collector.service || true
    fi
    rm -f "$UNIT"
    ! manages || systemctl daemon-reload
    rm -rf "$PROGRAM"
    say "the collector is removed; results in $DATA and settings in $SETTINGS are kept"
}

[ "$action" != install ] || [ -n "$wheel" ] || usage "name what to install: --wheel FILE"
[ "$(id -u)" -eq 0 ] || fail "run it as root: sudo $0"
if [ "$action" = uninstall ]; then
    [ ! -e "$AGENT_UNIT" ] || fail "the agent is installed here, not the collector"
    uninstall
else
    check
    make_user
    install_program
    write_settings
    install_unit
fi
