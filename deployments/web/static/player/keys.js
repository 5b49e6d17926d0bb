/** Keyboard keys of the player. */

const TYPED_INTO = "input:not([type=checkbox], [type=radio], [type=range], [type=button]), select, textarea, dialog *";
const SLIDERS = "input[type=range], input[type=radio]";
const PRESSED = "button, a, summary, input[type=checkbox]";
const SLIDER_KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);
const PRESS_KEYS = new Set([" ", "Enter"]);

/**
 * Call actions on keys, unless what has the focus needs the key for itself.
 *
 * @param {Object<string, (event: KeyboardEvent) => void>} actions By key; `Shift+` before those that
 *     are meant with it.
 */
export function listenToKeys(actions) {
    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
        const { target, key } = event;
        if (target.matches?.(TYPED_INTO)) return;
        if (target.matches?.(SLIDERS) && SLIDER_KEYS.has(key)) return;
        if (target.matches?.(PRESSED) && PRESS_KEYS.has(key)) return;
        const action = actions[event.shiftKey && key.length > 1 ? `Shift+${key}` : key];
        if (!action) return;
        event.preventDefault();
        action(event);
    });
}
