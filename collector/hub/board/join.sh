#!/bin/sh
# Lets this machine join a hub: installs the agent of that hub, gets a device's credentials, and starts `agent serve`.
#
#   curl -k --pinnedpubkey PIN HUB/join/PASS | sudo sh
#   curl -k --pinnedpubkey PIN HUB/join/PASS | sh -s -- --user
#
#   --user       install for yourself, without root
#   --name NAME  join as NAME instead of as the host's name, if the pass names no device
#   --rollback   go back to the version before
#
# On a machine that has joined this hub before, it upgrades the agent. The checks and the parts of the installation are
# those of install-agent.sh, which is fetched first. Everything is fetched from the hub with the pinned key; the clock
# and the name in the hub's certificate do not matter. Until the last line has arrived, nothing happens.
#
# shellcheck disable=SC2034,SC2153,SC2154 # variables that install-agent.sh reads or sets

HUB='@HUB_URL@'
PIN='@PIN@'
PASS='@PASS@'
DEVICE='@DEVICE@'
CERTIFICATE_ENDS='@CERTIFICATE_ENDS@' # the date of the hub's certificate
REFUSAL='@REFUSAL@' # why the pass is not accepted, as one sentence; empty if it is

TRIES=5
work=''

stop() { echo "distilbench: $*" >&2; exit 1; }

join() {
    set -eu
    export PYTHONSAFEPATH=1 # no Python imports from the current folder, which may be anyone's
    wants_user='' wants_name='' wants_back=''
    while [ $# -gt 0 ]; do
        case $1 in
            --user) wants_user=1; shift ;;
            --name)
                [ $# -ge 2 ] || stop "--name needs a value"
                wants_name=$2
                shift 2
                ;;
            --rollback) wants_back=1; shift ;;
            *) stop "unknown argument '$1': use --user, --name NAME or --rollback" ;;
        esac
    done
    choose_places
    [ -z "$wants_back" ] || go_back
    choose_credentials
    if [ -z "$wants_user" ] && [ "$(id -u)" -ne 0 ]; then
        stop "run it as root, with '| sudo sh', or for yourself, with '| sh -s -- --user'"
    fi
    make_work_folder
    check_login
    fetch files/install-agent.sh "$work/install-agent.sh"
    DISTILBENCH_PARTS=1
    # shellcheck source=/dev/null # it comes from the hub, and is checked where it lies
    . "$work/install-agent.sh"
    SCRIPT=distilbench NEEDED_YEAR=2020 NEEDED_MODULES=venv installer=$work/install-agent.sh
    [ -z "$wants_user" ] || for_user
    check_machine
    check_clock
    fetch_units
    fetch_wheels
    build_release
    if [ -z "$joined" ]; then get_credentials; else get_order_secret; fi
    make_user
    if [ -z "$joined" ]; then take_settings; else follow_hub; fi
    write_settings
    use_release
    start
}

# --- this machine as it is -------------------------------------------------------------------------------------

# The places of install-agent.sh, which is not here yet: they decide whether this machine has joined already.
choose_places() {
    if [ -n "$wants_user" ]; then
        [ -d "${HOME:-}" ] || stop "there is no home folder: set HOME to one"
        program=$HOME/.local/share/distilbench settings=$HOME/.config/distilbench for_me=--user place=$HOME
    else
        program=/opt/distilbench settings=/etc/distilbench for_me='' place=/opt
    fi
}

go_back() {
    [ -f "$program/current/install-agent.sh" ] || stop "there is no version in $program to go back from"
    exec sh "$program/current/install-agent.sh" --rollback $for_me
}

# A machine that has joined this hub upgrades with its own password, and needs no pass.
choose_credentials() {
    joined=''
    [ ! -f "$settings/hub.toml" ] || ! grep -qF "pin = \"$PIN\"" "$settings/hub.toml" || joined=1
    own_name=$(setting device-id)
    if [ -n "$joined" ] && [ -n "$DEVICE" ] && [ "$DEVICE" != "$own_name" ]; then
        stop "this machine has joined as '$own_name', but the pass is for '$DEVICE': invite '$own_name', or remove the program with 'sh $program/current/install-agent.sh --purge $for_me'"
    fi
    if [ -z "$joined" ] && [ -n "$REFUSAL" ]; then stop "$REFUSAL"; fi
    name=${DEVICE:-${wants_name:-${own_name:-$(host_name)}}}
    case $name in
        '' | *[!a-z0-9._-]*) stop "'$name' is not a device's name: use a-z, 0-9, '.', '_' and '-'" ;;
    esac
}

# A device whose rights have ended joins again, with a pass.
check_login() {
    [ -n "$joined" ] || return 0
    printf 'user = "%s:%s"\n' "$own_name" "$(head -n 1 "$settings/password")" >"$work/login"
    printf 'http_user = %s\nhttp_password = %s\n' "$own_name" "$(head -n 1 "$settings/password")" >"$work/wgetrc"
    into=$work/unused url=$HUB/files/install-agent.sh
    ask
    rm -f "$into.part"
    if [ "$outcome" = refused ]; then
        [ -z "$REFUSAL" ] || stop "$REFUSAL"
        joined=''
    fi
}

# Prints a text of agent.toml, which is flat; nothing if it is not set.
setting() {
    [ ! -f "$settings/agent.toml" ] || sed -n "s/^$1 *= *\"\(.*\)\" *\$/\1/p" "$settings/agent.toml" | head -n 1
}

host_name() {
    plain=$(uname -n | cut -d. -f1 | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9' '-' | sed 's/^-*//; s/-*$//')
    echo "${plain:-device}"
}

# The agent would not trust a certificate that has ended. Those of a hub begin in 2020, and are renewed in time.
check_clock() {
    [ "$(date +%Y%m%d)" -le "$(echo "$CERTIFICATE_ENDS" | tr -d -)" ] ||
        fail "the clock shows $(date +%F), but the hub's certificate ends on $CERTIFICATE_ENDS: set it (timedatectl set-ntp true) and try again"
}

# On the disk that gets the program: /tmp may be in memory.
make_work_folder() {
    free=$(df -Pm "$place" 2>/dev/null | awk 'NR==2 {print $4}')
    [ "${free:-0}" -ge 500 ] || stop "$place has ${free:-0} MB free, but 500 MB are needed"
    umask 022
    before_it=$program
    [ -d "$program" ] || mkdir -p "$program" 2>/dev/null || stop "cannot make the folder $program"
    work=$(mktemp -d "$program/joining.XXXXXX") || stop "cannot write to $program"
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

clean_up() {
    rm -rf "$work"
    [ -z "${release:-}" ] || drop_release # if it is not in use by now
    rmdir "$before_it" 2>/dev/null || true # if nothing is installed
}

# --- what comes from the hub -----------------------------------------------------------------------------------

# fetch PATH FILE [FORM FIELD...]: writes what the hub has at a path into a file. Whatever goes wrong is one sentence.
fetch() {
    path=$1 into=$2
    shift 2
    url=$HUB/join/$PASS/$path
    [ -z "$joined" ] || url=$HUB/$path
    tries=0
    while :; do
        ask "$@"
        case $outcome in
            arrived) mv "$into.part" "$into"; return ;;
            refused) stop "$(sentence)" ;;
            "full disk") stop "the disk of $program is full; nothing is installed: make room and run the same line again" ;;
            "other key") stop "the hub at $HUB has another key than this line names, so nothing was taken from it: make a new line with 'collector invite'" ;;
        esac
        tries=$((tries + 1))
        # A pass is used up when its credentials are on their way, so these are not asked for twice.
        if [ "$tries" -ge "$TRIES" ] || [ $# -gt 0 ]; then
            stop "$outcome; nothing is installed: check the network and run the same line again"
        fi
        sleep "$tries"
    done
}

# Asks once, and continues a file that has begun to arrive; $outcome says how it ended.
ask() {
    status=0 code=0
    if command -v curl >/dev/null; then
        set -- -sS -k --pinnedpubkey "$PIN" --connect-timeout 20 --speed-limit 1 --speed-time 300 "$@"
        [ -z "$joined" ] || set -- "$@" -K "$work/login"
        [ ! -s "$into.part" ] || set -- "$@" -C -
        code=$(curl "$@" -o "$into.part" -w '%{http_code}' "$url" 2>"$work/error") || status=$?
        case $status,$code in
            90,*) outcome="other key" ;;
            23,*) outcome="full disk" ;; # curl cannot write; it may have no room for its error either
            0,416 | 0,503) # it has nothing more, or too much to do
                rm -f "$into.part"
                outcome="the hub at $HUB is busy"
                ;;
            0,[45]*) outcome=refused ;;
            0,*) outcome=arrived ;;
            33,*) rm -f "$into.part"; outcome="the hub at $HUB cannot continue a download" ;;
            6,* | 7,* | 28,000) outcome="the hub at $HUB cannot be reached" ;;
            *) outcome="the hub at $HUB broke off" ;;
        esac
    else
        wget_once "$@"
    fi
}

# The same with GNU Wget, whose form fields are one text.
wget_once() {
    form=''
    while [ $# -gt 0 ]; do
        form="$form${form:+&}$2" # after --data-urlencode; the values have no character that needs a code
        shift 2
    done
    set -- -q -S --no-check-certificate --pinnedpubkey="$PIN" --content-on-error --tries=1 --timeout=300
    [ -z "$joined" ] || set -- "$@" --config="$work/wgetrc" --auth-no-challenge
    [ -z "$form" ] || set -- "$@" --post-data="$form"
    [ ! -s "$into.part" ] || set -- "$@" -c
    wget "$@" -O "$into.part" "$url" 2>"$work/error" || status=$?
    case $status in
        0) outcome=arrived ;;
        5) outcome="other key" ;;
        3) outcome="full disk" ;;
        8) outcome=refused ;;
        4) outcome="the hub at $HUB cannot be reached" ;;
        *) outcome="the hub at $HUB broke off" ;;
    esac
}

# What the hub says of its refusal: its first line, if that is a text.
sentence() {
    said=$(head -n 1 "$into.part" 2>/dev/null | tr -d '\000-\037\177' | cut -c1-500)
    echo "${said:-the hub at $HUB refuses to send $path (HTTP status $code)}"
}

fetch_units() {
    units=$work/systemd
    mkdir "$units"
    for unit in distilbench-agent.service distilbench-agent.timer distilbench-agent-serve.service \
        distilbench-agent-serve-user.service; do
        fetch "files/$unit" "$units/$unit"
    done
}

fetch_wheels() {
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    libc=$(getconf GNU_LIBC_VERSION | tr -d ' ')
    say "program    asking the hub for the wheels of Python $version on $(uname -m)"
    fetch "wheels?python=$version&machine=$(uname -m)&libc=$libc" "$work/list"
    if [ ! -s "$work/list" ] || grep -qvE '^[0-9a-f]{64}  [A-Za-z0-9][A-Za-z0-9._+!-]*\.whl$' "$work/list"; then
        fail "the hub sent something that is not a list of wheels: is another service at $HUB?"
    fi
    wheels=$work/wheels
    mkdir "$wheels"
    while read -r sum file; do
        fetch "wheels/$file" "$wheels/$file"
        echo "$sum  $wheels/$file" | sha256sum -c --status ||
            fail "$file does not have the SHA-256 that the hub names: run the same line again"
    done <"$work/list"
    if [ -z "$(find "$wheels" -name 'pip-*-py3-none-any.whl')" ]; then
        python3 -c 'import ensurepip' 2>/dev/null || fail "python3 lacks its venv module: apt install python3-venv"
    fi
}

get_credentials() {
    no_results_of_another
    config=$work/config
    mkdir -m 0700 "$config"
    # The user who runs this line gets the secrets; install-agent.sh gives them to the agent.
    fetch credentials "$work/config.tar" --data-urlencode "device=$name" --data-urlencode "machine=$(uname -m)" \
        --data-urlencode "python=$version"
    tar -xf "$work/config.tar" -C "$config" --no-same-owner agent.toml password ca.crt hub.toml order-secret 2>/dev/null ||
        fail "the hub sent no credentials: ask for a new line with 'collector invite'"
}

# A machine that joined before hubs gave orders has no secret for them.
get_order_secret() {
    config=$work/config
    mkdir -m 0700 "$config"
    fetch order-secret "$config/order-secret"
    grep -qxE '[0-9a-f]{64}' "$config/order-secret" ||
        fail "the hub sent something that is not a secret for orders: is another service at $HUB?"
}

# --- this machine as it becomes --------------------------------------------------------------------------------

# Results of another name would wait for ever: nobody delivers them under the new one.
no_results_of_another() {
    [ -f "$DATA/outbox.db" ] || return 0
    others=$("$PROGRAM/$release/bin/python" -c '
import sqlite3, sys
try:
    db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
    rows = db.execute("SELECT DISTINCT device_id FROM records JOIN runs USING (run_id) "
        "WHERE device_id <> ? AND receipted IS NULL", (sys.argv[2],)).fetchall()
except sqlite3.Error:
    rows = []
print(", ".join(name for (name,) in rows))' "$DATA/outbox.db" "$name") || others=''
    [ -z "$others" ] ||
        fail "results of '$others' wait here, and this machine would join as '$name': deliver them with 'agent flush', or invite it as '$others'"
}

# Replaces where results go; keeps the other settings, and a copy of the old ones.
take_settings() {
    if [ -f "$SETTINGS/agent.toml" ]; then
        for file in agent.toml password ca.crt client.crt client.key; do
            [ ! -f "$SETTINGS/$file" ] || mv "$SETTINGS/$file" "$SETTINGS/$file.before-joining"
        done
        grep -vE '^(device-id|broker|to-file|password-file|ca-file|cert-file|key-file) *=' \
            "$SETTINGS/agent.toml.before-joining" >>"$config/agent.toml" || true
        say "settings   the old ones are kept in $SETTINGS/*.before-joining"
    fi
    rm -f "$SETTINGS/hub.toml" "$SETTINGS/order-secret"
    put_setting hub.toml
    put_setting order-secret
}

# The hub of this line is the one that this machine has joined, but its address may be new.
follow_hub() {
    put_setting order-secret
    old=$(sed -n 's/^url = "\(.*\)"$/\1/p' "$SETTINGS/hub.toml")
    [ "$old" != "$HUB" ] || return 0
    was=$(host_of "$old") is=$(host_of "$HUB")
    sed -i "s|^url = .*|url = \"$HUB\"|" "$SETTINGS/hub.toml"
    pattern=$(echo "$was" | sed 's/[].[]/\\&/g')
    sed -i "s|^\(broker *= *\".*@\)$pattern\([:\"]\)|\1$is\2|" "$SETTINGS/agent.toml"
    say "settings   the hub is at $is now, no longer at $was"
}

host_of() { echo "$1" | sed 's|^https://||; s|:[0-9]*/*$||'; }

start() {
    write_units "$SERVE"
    keep_plan
    if ! manages; then
        if as_root; then
            by_hand="runuser -u $OWNER -- $PROGRAM/current/bin/agent serve --config $SETTINGS/agent.toml"
        else
            by_hand="$PROGRAM/current/bin/agent serve"
        fi
    else
        by_hand=''
        service enable --quiet "$SERVE"
        service restart "$SERVE" || fail "the service does not start: look into it with 'systemctl status $SERVE'"
        if ! as_root && ! loginctl enable-linger 2>/dev/null; then
            say "service    it ends when you log out: an administrator can change that with 'loginctl enable-linger $(id -un)'"
        fi
    fi
    own_name=$(setting device-id)
    problems=''
    examine 2>"$work/doctor" || problems=1
    grep -v -e '^ok ' -e '^doctor$' "$work/doctor" >&2 || true
    [ -z "$problems" ] || fail "'$own_name' is installed, but fix the problems above before it can work"
    say "program    $("$PROGRAM/current/bin/agent" --version) in $PROGRAM"
    if [ -n "$by_hand" ]; then
        say "service    systemd does not run here, so start the agent yourself: $by_hand"
        say "$own_name has joined; it waits for work once 'agent serve' runs"
    else
        say "$own_name has joined; it waits for work"
    fi
}

# A plan is worked through as before; without one, nothing needs the timer any more.
keep_plan() {
    as_root || return 0
    if [ -f "$SETTINGS/plan.toml" ]; then
        write_units distilbench-agent.service "$TIMER"
        ! manages || service enable --quiet --now "$TIMER"
        say "plan       $SETTINGS/plan.toml is kept: $TIMER works through it as before, and its results go to this hub; remove the file to end it"
    elif [ -e "$UNITS/$TIMER" ]; then
        ! manages || service disable --quiet --now "$TIMER" || true
        rm -f "$UNITS/$TIMER" "$UNITS/distilbench-agent.service"
        ! manages || service daemon-reload
        say "service    $TIMER is removed, since there is no plan and $SERVE takes its place"
    fi
}

{ join "$@" </dev/null; }
