// Plays a recorded terminal when the reader asks for it. Nothing moves by itself.
for (const cast of document.querySelectorAll(".cast")) {
  const screen = cast.querySelector("pre code");
  const button = cast.querySelector("button.md-button");
  const moments = JSON.parse(cast.querySelector("script").textContent);
  const label = button.textContent;
  let rows = [];
  let next = 0;
  let timer = 0;

  const show = () => {
    Object.entries(moments[next][1]).forEach(([at, row]) => { rows[at] = row; });
    screen.innerHTML = rows.join("\n");
    next += 1;
    if (next < moments.length) {
      timer = setTimeout(show, 1000 * (moments[next][0] - moments[next - 1][0]));
    } else {
      timer = 0;
      button.textContent = label;
    }
  };

  button.hidden = false;
  button.addEventListener("click", () => {
    if (timer) {
      clearTimeout(timer);
      timer = 0;
      button.textContent = "Go on";
      return;
    }
    if (next === 0 || next === moments.length) {
      next = 0;
      rows = Array(screen.textContent.split("\n").length).fill("");
    }
    button.textContent = "Pause";
    show();
  });
}
