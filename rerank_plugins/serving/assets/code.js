// Code: what does the same in a framework, and a button that copies it.
function codeOf(name) {
  const code = models.find((model) => model.id === name)?.code ?? {};
  const blocks = Object.entries(code).map(([framework, text]) => codeBlock(framework, text));
  return blocks.length ? [made("h4", "", "The same in code"), ...blocks] : [];
}

function codeBlock(framework, text) {
  const block = made("pre", "", text);
  block.tabIndex = 0; // it scrolls sideways
  const copying = button("copy", "Copy", async () => {
    copying.textContent = await copied(text, block);
    say(`${framework}: ${copying.textContent}.`);
    setTimeout(() => { copying.textContent = "Copy"; }, 2500);
  });
  copying.setAttribute("aria-label", `Copy the code for ${framework}`);
  return made("details", "code", made("summary", "", framework), made("div", "copyable", block, copying));
}

// The clipboard is refused where the page did not come over HTTPS or from this machine.
async function copied(text, block) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    getSelection().selectAllChildren(block);
    return document.execCommand("copy") ? "Copied" : "Selected, press Ctrl+C";
  }
}
