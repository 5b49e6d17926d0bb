#!/usr/bin/env bash
# Prefect 3.8.8 with SQLAlchemy 2.1.9 and with SQLAlchemy 2.0.58
#
# Behavior: with SQLAlchemy 2.1.9, which Prefect's own requirement allows (sqlalchemy>=2.0,<3) and
# which pip takes, the server starts, is healthy and accepts a deployment with a schedule, and never
# creates one of its runs. The only sign is a traceback in the server's log.
# Expected: runs within seconds, as with 2.0.58; or a server that refuses to start.
# The script starts a server on a free port of 127.0.0.1 for each version and takes about three minutes.
#
# Seen:
#   sqlalchemy 2.0.58: healthy, scheduled runs: yes
#   sqlalchemy 2.1.9: healthy, scheduled runs: no
#   in the log: Can't evaluate bulk DML statement
set -euo pipefail
work=$(mktemp -d); server=
finish() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
    rm -rf "$work"
}
trap finish EXIT; cd "$work"
export DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false
python3.11 -m venv venv
cat >look.py <<'PY'
import asyncio
import datetime

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import IntervalSchedule


async def main():
    async with get_client() as client:
        assert await client.api_healthcheck() is None
        flow = await client.create_flow_from_name("estimate")
        every = IntervalSchedule(interval=datetime.timedelta(minutes=1))
        await client.create_deployment(
            flow_id=flow, name="nightly", schedules=[DeploymentScheduleCreate(schedule=every, active=True)]
        )
        for _ in range(40):
            await asyncio.sleep(1)
            if await client.read_flow_runs():
                return "yes"
    return "no"


print(asyncio.run(main()))
PY
for version in 2.0.58 2.1.9; do
    venv/bin/pip install --quiet prefect==3.8.8 fastapi==0.150.0 "sqlalchemy==$version"
    port=$(venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    export PREFECT_HOME="$work/home-$version" PREFECT_API_URL="http://127.0.0.1:$port/api"
    venv/bin/prefect server start --host 127.0.0.1 --port "$port" >"server-$version.log" 2>&1 &
    server=$!
    for _ in $(seq 90); do
        venv/bin/python -c 'import os, urllib.request as u
u.urlopen(os.environ["PREFECT_API_URL"] + "/health", timeout=2)' 2>/dev/null && break
        sleep 1
    done
    found=$(venv/bin/python look.py)
    kill "$server"; wait "$server" || true; server=
    echo "sqlalchemy $version: healthy, scheduled runs: $found"
    case $version in 2.0.58) [ "$found" = yes ] ;; *) [ "$found" = no ] ;; esac
done
echo "in the log: $(grep -o "Can't evaluate bulk DML statement" server-2.1.9.log | head -n 1)"
grep -q "Can't evaluate bulk DML statement" server-2.1.9.log
