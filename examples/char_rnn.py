"""A character RNN: learns to spell the names of animals, or any text file with a word a line, and makes up new ones.

python examples/char_rnn.py [FILE]

In the end it is exported with its decoding loop to `speller.onnx`, which completes words in onnxruntime alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import lampion
from lampion import nn
from lampion.nn import functional as F
from lampion_edge import Session
from lampion_export import export

WORDS = """
aardvark alligator alpaca anaconda anteater antelope armadillo baboon badger barracuda beaver bison boar buffalo butterfly
camel capybara caribou cassowary caterpillar chameleon cheetah chimpanzee chinchilla cockatoo cormorant coyote crocodile
dalmatian dolphin donkey dormouse dragonfly echidna elephant emu falcon ferret flamingo gazelle gecko gerbil gibbon giraffe
gorilla grasshopper hamster hedgehog heron hippopotamus hummingbird hyena iguana impala jackal jaguar jellyfish kangaroo
kingfisher koala komodo kookaburra lemur leopard lion lizard llama lobster macaw magpie mallard manatee mandrill meerkat
mongoose moose mosquito narwhal nightingale ocelot octopus opossum orangutan ostrich otter panda panther parrot peacock
pelican penguin pheasant platypus porcupine porpoise quail quokka rabbit raccoon rattlesnake raven reindeer rhinoceros
salamander salmon scorpion seahorse skunk sloth snail sparrow spider squirrel starling stingray swallow tapir tarantula
tiger tortoise toucan turkey vulture wallaby walrus warthog weasel whale wildebeest wolverine wombat woodpecker zebra
"""
END = "\n"


class CharRNN(nn.Module):
    """The scores of the next character from all before it: int64 [n, time] -> [n, time, characters]."""

    def __init__(self, characters: int, hidden: int = 96) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, 24)
        self.rnn = nn.GRU(24, hidden, batch_first=True)
        self.head = nn.Linear(hidden, characters)

    def forward(
        self, text: lampion.Tensor, state: lampion.Tensor | None = None
    ) -> tuple[lampion.Tensor, lampion.Tensor]:
        output, state = self.rnn(self.embed(text), state)
        return self.head(output), state


class Speller(nn.Module):
    """The likeliest word that begins with some characters: int64 [given] -> int64 [length], without the end.

    Its loop ends when the model says so, and becomes one in the exported file.
    """

    def __init__(self, model: CharRNN, end: int, limit: int = 20) -> None:
        super().__init__()
        self.model, self.end, self.limit = model, end, limit

    def forward(self, start: lampion.Tensor) -> lampion.Tensor:
        word = start
        scores, state = self.model(lampion.cat([lampion.tensor([self.end]), start]).unsqueeze(0))
        while len(word) < self.limit:
            last = scores[0, -1].argmax()
            if last == self.end:
                break
            word = lampion.cat([word, last.reshape(1)])
            scores, state = self.model(last.reshape(1, 1), state)
        return word


def encoded(words: list[str], numbers: dict[str, int]) -> lampion.Tensor:
    """Words as rows [n, time]: END in front, END behind, and END as padding."""
    longest = max(map(len, words)) + 2
    return lampion.tensor([[numbers[c] for c in (END + word).ljust(longest, END)] for word in words])


def sample(model: CharRNN, characters: list[str], temperature: float = 0.7, limit: int = 20) -> str:
    """A new word, character by character."""
    word, last, state = "", characters.index(END), None
    while len(word) < limit:
        scores, state = model(lampion.tensor([[last]]), state)
        last = int(F.softmax(scores[0, -1] / temperature, -1).multinomial(1))
        if characters[last] == END:
            break
        word += characters[last]
    return word


def main() -> None:
    words = (Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else WORDS).split()
    characters = sorted({*"".join(words), END})
    text = encoded(words, {c: i for i, c in enumerate(characters)})
    lengths = lampion.tensor([len(word) + 1 for word in words])
    lampion.manual_seed(0)
    model = CharRNN(len(characters))
    optimizer = lampion.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(1, 41):
        total = 0.0
        for batch in lampion.randperm(len(words)).split(32):
            rows = text[batch]
            padding = lampion.arange(rows.shape[1] - 1) >= lengths[batch].unsqueeze(1)
            target = rows[:, 1:].masked_fill(padding, -100)
            scores, _ = model(rows[:, :-1])
            loss = F.cross_entropy(scores.transpose(1, 2), target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(batch)
        if epoch % 5 == 0:
            with lampion.no_grad():
                made = " ".join(sample(model, characters) for _ in range(6))
            print(f"epoch {epoch:2}  loss {total / len(words):.3f}  {made}")
    speller = Speller(model, characters.index(END))
    start = lampion.tensor([characters.index(words[0][0])])
    card = {"name": "speller", "description": f"completes words over the characters {''.join(characters[1:])}"}
    export(speller, {"start": start}, "speller.onnx", dynamic={"start": {0: "given"}}, card=card)
    [completed] = Session("speller.onnx").run({"start": start.numpy()}).values()
    print(f"{words[0][0]}... is completed to {''.join(characters[i] for i in completed)}")


if __name__ == "__main__":
    main()
