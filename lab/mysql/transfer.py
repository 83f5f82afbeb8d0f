"""A state transfer (SST) between nodes on one machine: the donor copies its files into the joiner's folder.

A server runs it as `wsrep_sst_METHOD` on both sides and talks with it over its output: the joiner's says
`ready ADDRESS`, and at the end which state it has; the donor's has the server hold still (`flush tables`,
`continue`) while it copies, or is told that nothing is to be copied (`--bypass`), since the joiner gets what
it lacks by IST. (galeracluster.com, Scriptable State Snapshot Transfers.)
"""

from pathlib import Path
from typing import Final

METHOD: Final = "lab"

# The address is for show; what counts is the joiner's folder beside the donor's.
_SCRIPT: Final = """\
#!/bin/sh
set -eu
bypass=
while [ $# -gt 0 ]; do
    case $1 in
        --role) role=$2; shift ;;
        --address) address=$2; shift ;;
        --datadir) folder=${2%/}; shift ;;
        --parent) parent=$2; shift ;;
        --gtid) gtid=$2; shift ;;
        --bypass) bypass=yes ;;
        --mysqld-args) break ;;
    esac
    shift
done
stage=${folder%/*}
if [ "$role" = joiner ]; then
    done=$folder.transferred
    rm -f "$done"
    echo "ready 127.0.0.1:1/${folder##*/}"
    until [ -e "$done" ]; do
        kill -0 "$parent"
        sleep 0.05
    done
    cat "$done"
    rm -f "$done"
else
    joiner=$stage/${address##*/}
    if [ -z "$bypass" ]; then
        flushed=$folder/tables_flushed
        rm -f "$flushed"
        echo 'flush tables'
        until [ -e "$flushed" ]; do sleep 0.02; done
        for path in "$joiner"/*; do
            case ${path##*/} in
                galera.cache | grastate.dat | gvwstate.dat | mysqld.pid | mysqld.sock) ;;
                *) rm -rf "$path" ;;
            esac
        done
        for path in "$folder"/*; do
            case ${path##*/} in
                galera.cache | grastate.dat | gvwstate.dat | mysqld.pid | mysqld.sock) ;;
                bin.* | relay.* | tables_flushed) ;;
                *) cp -a "$path" "$joiner/" ;;
            esac
        done
        rm -f "$flushed"
        echo continue
    fi
    echo "$gtid" >"$joiner.fresh"
    mv "$joiner.fresh" "$joiner.transferred"
    echo "done $gtid"
fi
"""


def write_script(folder: Path) -> None:
    """Write the program that the servers run, into a folder that is to be on their PATH."""
    folder.mkdir(exist_ok=True)
    script = folder / f"wsrep_sst_{METHOD}"
    script.write_text(_SCRIPT)
    script.chmod(0o700)
