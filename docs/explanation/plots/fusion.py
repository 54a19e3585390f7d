"""Fused probability of two branches for every weight, when logits or probabilities are averaged."""

import matplotlib.pyplot as plt
import numpy as np

import fitsense

LABELS = ("squat", "lunge", "no_exercise")
confident = fitsense.Scores("exercise", LABELS, np.array([[5.0, 0.0, 0.0]]), "softmax")
uncertain = fitsense.Scores("exercise", LABELS, np.array([[0.0, 1.5, 0.5]]), "softmax")

weighted = fitsense.PluginManager.discover().fusion("ensemble/weighted")
weights = np.linspace(0, 1, 41)
figure, axes = plt.subplots()
for space, style in (("logits", "-"), ("probabilities", "--")):
    fused = []
    for weight in weights:
        config = weighted.config(weights={"confident": float(weight), "uncertain": float(1 - weight)}, space=space)
        fused.append(weighted.fuse(config, {"confident": confident, "uncertain": uncertain}).probabilities[0])
    for column, (label, colour) in enumerate(zip(LABELS, ("#0072b2", "#d55e00", "#999999"), strict=True)):
        axes.plot(weights, np.array(fused)[:, column], style, color=colour, label=f"{label}, of {space}")
axes.set_xlabel("weight of the branch confident of a squat")
axes.set_ylabel("fused probability")
axes.set_ylim(0, 1)
axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
