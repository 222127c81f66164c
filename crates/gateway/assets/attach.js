// Attachments of news: a file is sent when it is chosen, and the form names it by its SHA-256.
const part = document.getElementById("attach");
if (part) {
  const form = part.closest("form");
  const names = form.elements.attachments;
  const files = document.getElementById("files");
  const list = document.getElementById("attached");
  const most = Number(part.dataset.most);
  let sending = 0;

  const named = () => names.value.split(" ").filter(it => it !== "");

  function line(text, className) {
    const it = document.createElement("li");
    it.textContent = text;
    it.className = className;
    list.append(it);
    return it;
  }

  function shown(name, digest) {
    const it = line(`${name}，已附上 `, "taken");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = "移除";
    button.setAttribute("aria-label", `移除附件 ${name}`);
    button.addEventListener("click", () => {
      names.value = named().filter(other => other !== digest).join(" ");
      it.remove();
      files.focus();
    });
    it.append(button);
  }

  async function send(file) {
    const waiting = line(`${file.name}，正在上传`, "");
    try {
      const headers = { "X-CSRF-Token": form.elements.csrf.value, "Content-Type": "application/octet-stream" };
      const response = await fetch("/v1/attachments", { method: "POST", headers, body: file });
      const answer = await response.json();
      if (!response.ok) throw new Error(`${answer.detail}（${answer.code ?? response.status}）`);
      if (named().includes(answer.sha256)) return;
      if (named().length >= most) throw new Error(`最多 ${most} 个附件`);
      names.value = [...named(), answer.sha256].join(" ");
      shown(file.name, answer.sha256);
    } catch (error) {
      const why = error instanceof TypeError ? "服务没有回答，请再选一次" : error.message;
      line(`${file.name}，未附上：${why}`, "lacking");
    } finally {
      waiting.remove();
    }
  }

  files.addEventListener("change", async () => {
    const button = form.querySelector("button:not([type])");
    button.disabled = true;
    sending += 1;
    const chosen = [...files.files];
    files.value = "";
    for (const file of chosen) await send(file);
    sending -= 1;
    button.disabled = sending > 0;
  });

  named().forEach((digest, place) => shown(`附件 ${place + 1}`, digest));
  part.hidden = false;
}
