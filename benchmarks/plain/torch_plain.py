"""The classic MNIST network in plain PyTorch: DATA.npz STEPS; prints {"seconds", "images"} as JSON."""

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

BATCH = 128
WARM_UP = 8

data, steps = np.load(sys.argv[1]), int(sys.argv[2])
images = torch.from_numpy(data["train_x"])[:, None]  # (samples, 1, 28, 28), uint8
labels = torch.from_numpy(data["train_y"])

model = nn.Sequential(
    nn.Conv2d(1, 32, 3),
    nn.ReLU(inplace=True),
    nn.Conv2d(32, 64, 3),
    nn.ReLU(inplace=True),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(64 * 12 * 12, 128),
    nn.ReLU(inplace=True),
    nn.Linear(128, 10),
).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
loss_of = nn.CrossEntropyLoss()
optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def batches() -> Iterator[torch.Tensor]:
    while True:
        order = torch.randperm(len(images))
        yield from order[: len(order) // BATCH * BATCH].split(BATCH)


def train(supply: Iterator[torch.Tensor], count: int) -> None:
    for _ in range(count):
        index = next(supply)
        x = images[index].to(torch.float32, memory_format=torch.channels_last).div_(255)
        optimiser.zero_grad(set_to_none=True)
        loss_of(model(x), labels[index]).backward()
        optimiser.step()


supply = batches()
train(supply, WARM_UP)
begun = time.perf_counter()
train(supply, steps)
print(json.dumps({"seconds": time.perf_counter() - begun, "images": steps * BATCH}))
