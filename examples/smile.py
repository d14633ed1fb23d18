"""The smile of AAPL: what volatility the options of one day imply, by strike, for a few expirations.

    betedge option AAPL 2024-01-16 --interval 1h --wait
    python examples/smile.py smile.png

Quotes at the close, out of the money. Rates and dividends are in each expiration's forward, which calls and puts of one strike
imply together (put-call parity), and Black's formula does the rest.
"""

import sys
from datetime import date

import matplotlib
import numpy
import polars

import betedge
from betedge.requests import historical

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

DAY = date(2024, 1, 16)
EXPIRATIONS = 4


def normal(x: numpy.ndarray) -> numpy.ndarray:
    """The normal distribution's cumulative function, to 1e-7 (Abramowitz and Stegun, 26.2.17)."""
    t = 1 / (1 + 0.2316419 * numpy.abs(x))
    tail = numpy.exp(-x * x / 2) / numpy.sqrt(2 * numpy.pi) * t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    return numpy.where(x > 0, 1 - tail, tail)


def implied(value, forward, strike, years, is_call):
    """The volatility at which an undiscounted option is worth `value`, by halving 40 times between 1 % and 300 %."""
    low, high = numpy.full(len(value), 0.01), numpy.full(len(value), 3.0)
    for _ in range(40):
        middle = (low + high) / 2
        spread = middle * numpy.sqrt(years)
        d1 = numpy.log(forward / strike) / spread + spread / 2
        call = forward * normal(d1) - strike * normal(d1 - spread)
        worth = numpy.where(is_call, call, call - forward + strike)
        low, high = numpy.where(worth < value, middle, low), numpy.where(worth < value, high, middle)
    return (low + high) / 2


def forward_of(chain: polars.DataFrame) -> tuple[float, float]:
    """Forward and discount of one expiration: call less put is discount * (forward - strike), a line over the strikes."""
    both = chain.pivot(on="right", index="strike", values="mid").drop_nulls()
    slope, height = numpy.polyfit(both["strike"], both["C"] - both["P"], 1)
    return -height / slope, -slope


with betedge.Client() as client:
    quotes = client.read(historical("option", "AAPL", DAY, DAY, interval="1h")).to_polars()

close = quotes.filter(polars.col("ms_of_day") == polars.col("ms_of_day").max()).with_columns(mid=(polars.col("bid") + polars.col("ask")) / 2).collect()
spot = close.filter(polars.col("right") == "U")["mid"].item()
chain = (close.filter((polars.col("right") != "U") & (polars.col("bid") > 0))
         .with_columns(strike=polars.col("strike") / 1000, expires=polars.col("expiration").cast(polars.String).str.to_date("%Y%m%d"))
         .filter((polars.col("expires") - DAY).dt.total_days() > 5).sort("expires", "strike"))
shown = chain.group_by("expires").len().sort("len", "expires").tail(EXPIRATIONS)["expires"].sort().to_list()

figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
for color, expires in zip(pyplot.colormaps["viridis"](numpy.linspace(0.1, 0.8, len(shown))), shown):
    options = chain.filter(polars.col("expires") == expires)
    forward, discount = forward_of(options)
    one = options.filter(((polars.col("right") == "C") & (polars.col("strike") >= forward)) | ((polars.col("right") == "P") & (polars.col("strike") < forward)))
    volatility = implied(one["mid"].to_numpy() / discount, forward, one["strike"].to_numpy(), (expires - DAY).days / 365, (one["right"] == "C").to_numpy())
    axes.plot(one["strike"], volatility * 100, ".-", color=color, linewidth=1.2, markersize=4, label=f"{expires:%d %b %Y}")
axes.axvline(spot, color="0.6", linewidth=0.8, linestyle="--")
axes.annotate(f"AAPL {spot:.2f}", (spot, 1), xycoords=("data", "axes fraction"), xytext=(4, -12), textcoords="offset points", color="0.4", fontsize=9)
axes.set(title=f"AAPL, implied volatility at the close of {DAY:%d %B %Y}", xlabel="strike, dollars", ylabel="implied volatility, % a year")
axes.legend(title="expiration", frameon=False)
axes.grid(alpha=0.25)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "smile.png", dpi=120)
print(f"{chain.height} quotes of AAPL's options, {len(shown)} of {chain['expires'].n_unique()} expirations drawn")
