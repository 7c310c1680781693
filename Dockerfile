# Hallwatch as a container: exact versions by hash, no root, no build tools in what runs.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS builder
WORKDIR /src
RUN python -m venv /opt/hallwatch
COPY requirements.lock .
RUN /opt/hallwatch/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY . .
RUN /opt/hallwatch/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/hallwatch --shell /usr/sbin/nologin hallwatch
COPY --from=builder /opt/hallwatch /opt/hallwatch
ENV PATH=/opt/hallwatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HALLWATCH_HTTP_HOST=0.0.0.0
USER hallwatch
WORKDIR /var/lib/hallwatch
VOLUME /var/lib/hallwatch
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
CMD ["hallwatch", "serve"]
