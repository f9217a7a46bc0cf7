"""A character RNN: learns to spell the names of animals, or any text file with a word a line, and makes up new ones.

python examples/char_rnn.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import lampion
from lampion import nn
from lampion.nn import functional as F

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


if __name__ == "__main__":
    main()
