# One image for the gateway, the worker and the one-shot commands. The target `demo` adds the simulated country.
# The embedded engines are not in it: PostgreSQL and Redis are servers of their own here.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
# The tools that make our own wheel come from the lock file too, with their hashes.
RUN python -m venv /opt/spotlight \
    && /opt/spotlight/bin/pip install --require-hashes -r requirements.lock \
    && sed -nE '/^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/,/[^\\]$/p' requirements-dev.lock > tools.lock \
    && pip install --require-hashes -r tools.lock \
    && sed -nE '/^(aiosmtpd|atpublic|attrs)==/,/[^\\]$/p' requirements-dev.lock > demo.lock \
    && pip install --require-hashes --target /opt/demo-packages -r demo.lock
COPY pyproject.toml README.md ./
COPY gateway gateway
COPY channels channels
COPY payments payments
COPY leaderboard leaderboard
COPY admin admin
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/spotlight/bin/pip install --no-deps /wheels/*.whl

FROM python:3.11-slim-bookworm AS service
RUN groupadd --gid 10001 spotlight \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin spotlight \
    && install -d -o 10001 -g 10001 -m 0700 /data /data/pictures
COPY --from=build /opt/spotlight /opt/spotlight
ENV PATH=/opt/spotlight/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    SPOTLIGHT_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=2)"]
CMD ["spotlight", "serve"]

FROM service AS demo
COPY --chown=10001:10001 sandbox /opt/demo/sandbox
# What only the simulated country uses: its mail server.
COPY --from=build /opt/demo-packages /opt/demo-packages
ENV PYTHONPATH=/opt/demo:/opt/demo-packages
CMD ["spotlight", "sandbox"]

# The last target is what `docker build .` makes: without the simulated country.
FROM service AS production
