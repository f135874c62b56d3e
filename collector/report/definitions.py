"""What the columns of a machine's table mean, for the report itself; `docs/report.md` explains more."""

from typing import Final

DEFINITIONS: Final[dict[str, str]] = {
    "best for": "What the model is best for on this machine. All models that the data cannot tell from the "
    "best share a label.",
    "questions": "Questions answered without error, of those that were asked.",
    "EM %": "Exact Match of the official SQuAD v1.1 script, in percent: the mean over the questions of the "
    "best score over the gold answers.",
    "EM 95 %": "95 % interval of EM.",
    "F1 %": "Token F1 of the official SQuAD v1.1 script, in percent: the mean over the questions of the best "
    "score over the gold answers.",
    "F1 95 %": "95 % interval of F1.",
    "BERTScore F1": "Similarity between the token vectors of the answer and of the gold answer. Without "
    "rescaling, even unrelated texts score well above 0.",
    "BERTScore F1 95 %": "95 % interval of BERTScore F1.",
    "p50 ms": "Median time to tokenise, infer and decode one question, in milliseconds.",
    "p50 95 %": "95 % interval of p50.",
    "p50 by device": "p50 of the fastest and of the slowest device of this type.",
    "p90 ms": "Nine tenths of the questions take at most this time, in milliseconds.",
    "p90 95 %": "95 % interval of p90.",
    "p99 ms": "99 of 100 questions take at most this time, in milliseconds.",
    "p99 95 %": "95 % interval of p99.",
    "per second": "Questions per second, one after the other: the inverse of the mean time.",
    "speed-up": "Time of the baseline in fp32 divided by that of the model, on the questions that both "
    "answered.",
    "on questions": "Number of questions that the speed-up is over.",
    "speed-up 95 %": "95 % interval of the speed-up, and what it is about if that is not this one device.",
    "speed-up by device": "The lowest and the highest speed-up of a device of this type.",
    "F1 per ms": "F1 in percent divided by p50.",
    "J/question": "Joules per question by the device's own meter, idle power included.",
    "J/correct": "Joules per exactly matching answer, idle power included.",
    "load ms": "Time to hash and load the bundle, in milliseconds, median over the runs.",
    "memory MB": "Highest resident memory of the process that answered, in 10^6 bytes.",
    "size MB": "Size of all files of the bundle, in 10^6 bytes.",
    "°C": "Highest temperature of any sample.",
    "throttled": "Answers during which the processor was throttled, capped or short of voltage.",
    "parameters M": "Parameters of the network, in millions.",
    "layers": "Layers of the network.",
    "weights": "Where the weights are from: hub, local, adapter or random; predictions for imported answers.",
    "Pareto": "front, unless another row is shown to be both faster and more accurate.",
}
"""By the heading of the column, in the order of the columns."""
