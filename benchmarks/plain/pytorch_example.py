"""The MNIST example of pytorch/examples: DATA.npz SEED EPOCHS; after each epoch prints {"train_s", "accuracy"}.

Its network, loss, Adadelta, StepLR, batch size and normalisation are the example's. Where the example reads images one
by one through torchvision, this indexes one tensor in memory, normalised off the clock: so it is faster than the example.
https://github.com/pytorch/examples/blob/main/mnist/main.py
"""

import copy
import json
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

BATCH = 64

data, seed, epochs = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
torch.manual_seed(seed)
x, test_x = (((torch.from_numpy(data[name])[:, None] / 255) - 0.1307) / 0.3081 for name in ("train_x", "test_x"))
y, test_y = (torch.from_numpy(data[name]) for name in ("train_y", "test_y"))

model = nn.Sequential(
    nn.Conv2d(1, 32, 3),
    nn.ReLU(),
    nn.Conv2d(32, 64, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Dropout(0.25),
    nn.Flatten(),
    nn.Linear(9216, 128),
    nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(128, 10),
    nn.LogSoftmax(1),
)


def train(model: nn.Module, optimiser: torch.optim.Optimizer, order: torch.Tensor) -> None:
    model.train()
    for index in order.split(BATCH):
        optimiser.zero_grad()
        functional.nll_loss(model(x[index]), y[index]).backward()
        optimiser.step()


def accuracy() -> float:
    model.eval()
    with torch.no_grad():
        classes = torch.cat([model(part).argmax(1) for part in test_x.split(1000)])
    return float((classes == test_y).double().mean())


warm = copy.deepcopy(model)
train(warm, torch.optim.Adadelta(warm.parameters(), lr=1.0), torch.arange(2 * BATCH))
optimiser = torch.optim.Adadelta(model.parameters(), lr=1.0)
schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=1, gamma=0.7)
train_s = 0.0
for _ in range(epochs):
    begun = time.perf_counter()
    train(model, optimiser, torch.randperm(len(x)))
    schedule.step()
    train_s += time.perf_counter() - begun
    print(json.dumps({"train_s": train_s, "accuracy": accuracy()}), flush=True)
