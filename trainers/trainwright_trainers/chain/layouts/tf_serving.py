"""A folder of models as TensorFlow Serving takes it: `<model>/<version>/saved_model.pb`.

Source: https://www.tensorflow.org/tfx/serving/serving_config
"""

from pathlib import Path

from trainwright_trainers.chain.layouts.layout import Delivery


def lay_out_tf_serving(directory: Path, delivery: Delivery) -> None:
    """Put the SavedModel's folders of versions into one that has the job's name.

    The directory can then be mounted as `/models` into TensorFlow Serving's image, with MODEL_NAME the job's name.
    """
    versions = list(directory.iterdir())
    home = directory / delivery.name
    home.mkdir()
    for version in versions:
        version.rename(home / version.name)
