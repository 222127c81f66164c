// Walks through a day: ← and → five minutes, space plays sixty times as fast.
const at = document.getElementById("at");
const STEP_MIN = 5;
let playing = new URLSearchParams(location.search).has("play");

function go(minutes, play) {
  const time = new Date(Date.parse(at.dateTime) + minutes * 60_000);
  if (time.getTime() > Date.now()) return;
  const place = new URL(location.href);
  place.searchParams.set("at", time.toISOString());
  if (play) place.searchParams.set("play", "1"); else place.searchParams.delete("play");
  location.replace(place);
}

document.addEventListener("keydown", event => {
  if (event.isComposing || event.target.closest("input, textarea, select")) return;
  if (event.key === "ArrowLeft") go(-STEP_MIN, false);
  else if (event.key === "ArrowRight") go(STEP_MIN, false);
  else if (event.key === " ") {
    event.preventDefault();
    playing = !playing;
    if (playing) go(1, true); else go(0, false);
  }
});
if (playing) setTimeout(() => go(1, true), 1_000);
