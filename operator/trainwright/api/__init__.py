"""What a TrainingJob is: typed models, from which the CRD, the validation and the field reference are made."""

GROUP = "trainwright.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "TrainingJob"
PLURAL = "trainingjobs"
