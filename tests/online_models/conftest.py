"""Steps over 16 examples are no work for threads: they would only wait for each other."""

from __future__ import annotations

import torch

from online_models.threads import compute_on_one_thread

torch.set_num_threads(1)
compute_on_one_thread()
