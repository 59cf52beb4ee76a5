"""Every annotated signature is checked while tests run."""

import warnings

from jaxtyping import install_import_hook

install_import_hook(
    ["inrgan", "inrgan_modalities"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)
warnings.filterwarnings("ignore", category=DeprecationWarning, module="tensorboard")
