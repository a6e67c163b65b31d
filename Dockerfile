# The operator's image and the trainers', one target each:
#   docker build --target operator -t trainwright/operator .
#   docker build --target pytorch -t trainwright/pytorch .
#   docker build --target jax -t trainwright/jax .
#   docker build --target tensorflow -t trainwright/tensorflow .
#   docker build --target mxnet -t trainwright/mxnet .
# buildah builds it too. --build-arg DEVICE=cpu makes a trainer's image without NVIDIA's libraries.
# BASE is any Debian with Python 3.11 or newer and its venv module (3.11 for mxnet).
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS wheel
# Where the registries are reached through a certificate authority of one's own, this names its file.
ARG SSL_CERT_FILE
WORKDIR /source
COPY requirements/bootstrap.txt requirements/dev.txt requirements/
RUN python3 -m venv /opt/tools \
 && /opt/tools/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements/bootstrap.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
COPY trainers trainers
RUN /opt/tools/bin/uv build --quiet --wheel --build-constraints requirements/dev.txt --require-hashes --out-dir /dist

# What all images share: a virtual environment with pip, so that an image FROM this one can add to it.
FROM ${BASE} AS runtime
RUN python3 -m venv /opt/trainwright
ENV PATH=/opt/trainwright/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
LABEL org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.vendor=trainwright

# The packages come before our own code: a change of ours makes one small layer.
FROM runtime AS operator
ARG SSL_CERT_FILE
COPY requirements/operator.txt /opt/trainwright/
RUN pip install --quiet --no-cache-dir --no-deps --require-hashes -r /opt/trainwright/operator.txt
COPY --from=wheel /dist /opt/trainwright/dist
RUN pip install --quiet --no-cache-dir --no-index --no-deps /opt/trainwright/dist/*.whl
LABEL org.opencontainers.image.title="trainwright operator"
# The user has no name of its own, and libraries ask for one.
ENV USER=trainwright
USER 65532:65532
ENTRYPOINT ["trainwright"]
CMD ["operator"]

FROM runtime AS pytorch
ARG SSL_CERT_FILE
# cuda: PyPI's own torch with NVIDIA's libraries, for GPUs and CPUs. cpu: a tenth of the size, with the pinned torch from
# TORCH_INDEX, the address of PyTorch's index of CPU builds; its hashes are others than PyPI's and not pinned here.
ARG DEVICE=cuda
ARG TORCH_INDEX
COPY requirements/pytorch.txt /opt/trainwright/
RUN cd /opt/trainwright && case "$DEVICE" in \
    cuda) pip install --quiet --no-cache-dir --no-deps --require-hashes -r pytorch.txt ;; \
    cpu) sed '/^\(torch\|triton\|nvidia-[a-z0-9-]*\|cuda-[a-z]*\)==/,/[^\\]$/d' pytorch.txt > pytorch-cpu.txt \
      && pip install --quiet --no-cache-dir --no-deps --require-hashes -r pytorch-cpu.txt \
      && pip install --quiet --no-cache-dir --no-deps --index-url "${TORCH_INDEX:?DEVICE=cpu needs the index of PyTorch CPU builds}" \
           "$(grep -o '^torch==[^ ;]*' pytorch.txt)" ;; \
    *) echo "DEVICE: got '$DEVICE'; expected cpu or cuda" >&2; exit 2 ;; \
    esac
COPY --from=wheel /dist /opt/trainwright/dist
RUN pip install --quiet --no-cache-dir --no-index --no-deps /opt/trainwright/dist/*.whl
LABEL org.opencontainers.image.title="trainwright trainer for PyTorch"
ENV USER=trainwright
USER 65532:65532
CMD ["python", "-m", "trainwright_trainers.pytorch"]

FROM runtime AS jax
ARG SSL_CERT_FILE
# cuda: with NVIDIA's libraries, for GPUs and CPUs. cpu: a fraction of the size.
ARG DEVICE=cuda
COPY requirements/jax.txt requirements/jax-cuda.txt /opt/trainwright/
RUN case "$DEVICE" in cpu) pins=jax.txt ;; cuda) pins=jax-cuda.txt ;; \
    *) echo "DEVICE: got '$DEVICE'; expected cpu or cuda" >&2; exit 2 ;; esac \
 && pip install --quiet --no-cache-dir --no-deps --require-hashes -r "/opt/trainwright/$pins"
COPY --from=wheel /dist /opt/trainwright/dist
RUN pip install --quiet --no-cache-dir --no-index --no-deps /opt/trainwright/dist/*.whl
LABEL org.opencontainers.image.title="trainwright trainer for JAX"
ENV USER=trainwright
USER 65532:65532
CMD ["python", "-m", "trainwright_trainers.jax"]

FROM runtime AS tensorflow
ARG SSL_CERT_FILE
# cuda: with NVIDIA's libraries, for GPUs and CPUs. cpu: a fraction of the size.
ARG DEVICE=cuda
COPY requirements/tensorflow.txt requirements/tensorflow-cuda.txt /opt/trainwright/
RUN case "$DEVICE" in cpu) pins=tensorflow.txt ;; cuda) pins=tensorflow-cuda.txt ;; \
    *) echo "DEVICE: got '$DEVICE'; expected cpu or cuda" >&2; exit 2 ;; esac \
 && pip install --quiet --no-cache-dir --no-deps --require-hashes -r "/opt/trainwright/$pins"
COPY --from=wheel /dist /opt/trainwright/dist
RUN pip install --quiet --no-cache-dir --no-index --no-deps /opt/trainwright/dist/*.whl
LABEL org.opencontainers.image.title="trainwright trainer for TensorFlow"
ENV USER=trainwright
USER 65532:65532
CMD ["python", "-m", "trainwright_trainers.tensorflow"]

# For CPUs, and x86-64 only: MXNet 1.9.1 is the last version, and its packages are in an image of their own.
FROM runtime AS mxnet
ARG SSL_CERT_FILE
# Libraries of GCC's that MXNet is linked with and does not bring.
RUN apt-get update -q && apt-get install -y -q --no-install-recommends libgomp1 libquadmath0 libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY requirements/mxnet.txt /opt/trainwright/
RUN pip install --quiet --no-cache-dir --no-deps --require-hashes -r /opt/trainwright/mxnet.txt
COPY --from=wheel /dist /opt/trainwright/dist
RUN pip install --quiet --no-cache-dir --no-index --no-deps /opt/trainwright/dist/*.whl
LABEL org.opencontainers.image.title="trainwright trainer for MXNet"
ENV USER=trainwright
USER 65532:65532
CMD ["python", "-m", "trainwright_trainers.mxnet"]
