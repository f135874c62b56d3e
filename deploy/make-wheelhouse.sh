#!/bin/sh
# Downloads every wheel that a device needs, on a workstation with internet, so that the device needs no internet.
#
#   deploy/make-wheelhouse.sh dist/distilbench-0.1.0-py3-none-any.whl wheelhouse
#   deploy/make-wheelhouse.sh --python 3.11 --machine x86_64 WHEEL FOLDER
#
# FOLDER then also contains the installer: copy FOLDER to the device and run its install-agent.sh there, as root. Only
# binary wheels are downloaded, so nothing is compiled on a device. In a clone they have the versions that were tested,
# those of constraints.txt; --constraint FILE names others.
set -eu
export PYTHONSAFEPATH=1 # no Python imports from the current folder, which may be anyone's

usage="usage: make-wheelhouse.sh [--python 3.11[,3.13]] [--machine aarch64|x86_64] [--constraint FILE] WHEEL FOLDER"
versions=3.11,3.12,3.13
machine=aarch64
constraint=
while [ $# -gt 0 ]; do
    case $1 in
        --python) versions=${2:?$usage}; shift 2 ;;
        --machine) machine=${2:?$usage}; shift 2 ;;
        --constraint) constraint=${2:?$usage}; shift 2 ;;
        -h | --help) echo "$usage"; exit 0 ;;
        -*) echo "make-wheelhouse.sh: unknown option '$1'; $usage" >&2; exit 2 ;;
        *) break ;;
    esac
done
[ $# -eq 2 ] || { echo "$usage" >&2; exit 2; }
wheel=$1
folder=$2
[ -f "$wheel" ] || { echo "make-wheelhouse.sh: there is no wheel '$wheel': make it with python -m build --wheel" >&2; exit 1; }
case $machine in
    aarch64 | x86_64) ;;
    *) echo "make-wheelhouse.sh: '$machine' is not aarch64 or x86_64; there is no onnxruntime for any other" >&2; exit 1 ;;
esac

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if [ -z "$constraint" ] && [ -f "$here/../constraints.txt" ]; then
    constraint=$here/../constraints.txt
fi
python=${PYTHON:-python3}
mkdir -p "$folder"
for version in $(echo "$versions" | tr , ' '); do
    # Debian 12 has glibc 2.36 and Ubuntu 22.04 has 2.35, so both accept wheels for glibc up to 2.28.
    "$python" -m pip download --quiet --disable-pip-version-check --dest "$folder" --only-binary=:all: \
        --python-version "$version" --implementation cp \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" \
        --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" \
        ${constraint:+--constraint "$constraint"} "$wheel" || {
        echo "make-wheelhouse.sh: some wheels are not available for Python $version on $machine; the reason is above" >&2
        exit 1
    }
done
cp "$wheel" "$here/install-agent.sh" "$folder/"
mkdir -p "$folder/systemd"
cp "$here"/systemd/distilbench-agent* "$folder/systemd/"
echo "$(find "$folder" -name '*.whl' | wc -l) wheels, $(du -sm "$folder" | cut -f1) MB in $folder" >&2
