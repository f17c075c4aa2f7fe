# The image of the connector. Builds with BuildKit and with the classic builder alike, so it keeps to what both know:
# no syntax line, no RUN --mount, no heredoc.
ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# What compiles the extension; it stays behind in this stage. Python's own images have its headers, Debian's may not.
RUN packages="gcc libc6-dev" \
    && { [ -e "$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] \
        || packages="$packages libpython3-dev"; } \
    && apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/build.txt requirements/run.txt requirements/
# The environment gets no pip of its own: the one of this stage installs into it, and stays behind.
# pip compiles the bytecode here, since the service runs on a read-only root.
RUN python -m venv --without-pip /opt/target-connector \
    && python -m pip install --quiet --no-deps --require-hashes --only-binary :all: -r requirements/build.txt \
    && python -m pip --python /opt/target-connector/bin/python install --quiet \
        --no-deps --require-hashes --only-binary :all: -r requirements/run.txt
# The source comes last: a change to it leaves the layers above as they are.
COPY pyproject.toml README.md LICENSE ./
COPY connector connector
RUN python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels . \
    && python -m pip --python /opt/target-connector/bin/python install --quiet --no-deps wheels/*.whl \
    && /opt/target-connector/bin/python -I -c "import connector.avro._datums, connector.kafka._drain, connector.target._encoding"

FROM python:${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Target Connector" \
      org.opencontainers.image.description="Keeps visitor profiles in Adobe Target equal to what Kafka says" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The service installs nothing, so whoever gets into it shall not either.
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip
# Owned by root: the service cannot change its own code.
COPY --from=build /opt/target-connector /opt/target-connector
ENV PATH=/opt/target-connector/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, not a name: `runAsNonRoot` in Kubernetes can tell only from a number that it is not root.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080
STOPSIGNAL SIGTERM
# For Docker and Compose; Kubernetes has probes of its own. Alive, not ready: a Target that is down is no reason to restart.
# It does not read the settings file: a port other than 8080 has to come from the variable, or the check is switched off.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('CONNECTOR_SERVICE__PORT', '8080') + '/livez', timeout=4).close()"]
ENTRYPOINT ["target-connector"]
CMD ["run"]
