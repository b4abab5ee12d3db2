using System.Text;
using QRCoder;

namespace Keyreeve.Web.Account;

/// <summary>A QR code as the path of an SVG: no style, no script, nothing that a strict policy would block.</summary>
/// <param name="Size">Modules of a side, with the quiet zone.</param>
/// <param name="Path">The dark modules, for the attribute <c>d</c>.</param>
public sealed record QrPicture(int Size, string Path)
{
    /// <summary>Draws a text.</summary>
    public static QrPicture Of(string text)
    {
        using var code = QRCodeGenerator.GenerateQrCode(text, QRCodeGenerator.ECCLevel.M);
        var path = new StringBuilder();
        for (var row = 0; row < code.ModuleMatrix.Count; row++)
            for (var column = 0; column < code.ModuleMatrix[row].Count; column++)
                if (code.ModuleMatrix[row][column])
                    path.Append('M').Append(column).Append(' ').Append(row).Append("h1v1h-1z");
        return new(code.ModuleMatrix.Count, path.ToString());
    }
}
