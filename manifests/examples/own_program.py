"""Adds up the ranks of all processes."""

import torch
import torch.distributed as dist

dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
device = torch.device("cuda", dist.get_node_local_rank()) if torch.cuda.is_available() else "cpu"
total = torch.tensor([float(dist.get_rank())], device=device)
dist.all_reduce(total)
print(f"rank {dist.get_rank()} of {dist.get_world_size()}: the sum of all ranks is {total.item():g}")
dist.destroy_process_group()
