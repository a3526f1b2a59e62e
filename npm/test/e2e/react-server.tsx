// The same app on a server.
import { renderToString } from "react-dom/server";
import { Page, type Props } from "./react-app.js";

export const render = (props: Props): string => renderToString(<Page {...props} />);
