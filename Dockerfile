# The service as an image. The packages are pure Python, so they are copied, not built; what they depend on
# is pinned and held by hashes.
FROM python:3.13-slim

# SIPp for probes of engine sipp, tshark for `capture analyze` (`capture live` needs root and NET_RAW too);
# setpriv, which starts them, is in the base image. DejaVu for names on PDFs that Helvetica has no letters for.
RUN apt-get update && apt-get install --yes --no-install-recommends fonts-dejavu-core sip-tester tshark && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/dialtone
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes --requirement requirements.txt

COPY dialtone dialtone
COPY collectors collectors
COPY synthetic synthetic
COPY sipp_flows sipp_flows
COPY alerts alerts
COPY dashboards dashboards
COPY lab lab

# Not root: it needs no port below 1024 and no device. The number is fixed because the secrets belong to it.
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/dialtone --create-home dialtone
USER dialtone

ENV PYTHONPATH=/opt/dialtone PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m", "dialtone"]
CMD ["--help"]
