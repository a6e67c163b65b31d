"""How an exported model is laid out for whoever serves it. A layout is one file and one line in `LAYOUTS`."""

from trainwright_trainers.chain.layouts.kserve import lay_out_kserve
from trainwright_trainers.chain.layouts.layout import Delivery, Layout
from trainwright_trainers.chain.layouts.plain import lay_out_plain
from trainwright_trainers.chain.layouts.tf_serving import lay_out_tf_serving
from trainwright_trainers.chain.layouts.triton import lay_out_triton

LAYOUTS: dict[str, Layout] = {
    "plain": lay_out_plain,
    "triton": lay_out_triton,
    "kserve": lay_out_kserve,
    "tf-serving": lay_out_tf_serving,
}
"""By `export.layout`."""

__all__ = ["LAYOUTS", "Delivery", "Layout"]
