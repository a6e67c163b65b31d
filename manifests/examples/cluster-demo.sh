#!/bin/sh
# Installs the operator on the cluster that kubectl talks to, trains the first example on it and shows what came of it.
# Arguments go to helm, such as --set=image.registry=registry.example.
set -eu
cd "$(dirname "$0")/../.."

helm upgrade --install trainwright charts/trainwright --namespace trainwright-system --create-namespace --wait "$@"
kubectl apply -f manifests/examples/digits-pytorch.yaml

kubectl get trainingjob digits --watch &
watch=$!
trap 'kill $watch 2>/dev/null || true' EXIT
kubectl wait --for=jsonpath='{.status.completionTime}' trainingjob/digits --timeout=30m

echo
kubectl get trainingjob digits -o jsonpath='{range .status.steps[*]}{.name}{"\t"}{.state}{"\taccuracy "}{.metrics.accuracy}{"\tlatency "}{.metrics.latencyMs}{" ms\tsize "}{.metrics.sizeBytes}{" bytes\n"}{end}'
kubectl get trainingjob digits -o jsonpath='{range .status.artifacts[*]}{"artifact "}{.path}{"\t"}{.format}{"\n"}{end}'
kubectl wait --for=condition=Complete trainingjob/digits --timeout=1s
