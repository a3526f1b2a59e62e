import { First } from "./first.jsx";
import { Logs } from "./logs.jsx";

export default function Page() {
  return (
    <>
      <First />
      <Logs />
    </>
  );
}
