using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Web.Pages;

/// <summary>What an operator may change about the look of our pages: a name, a logo, a colour, where help is. Values are checked before.</summary>
public sealed class Branding
{
    /// <summary>Octets of a logo at most. Our choice.</summary>
    public const int MaxLogo = 256 * 1024;

    /// <summary>As shipped.</summary>
    public static readonly Branding Default = new("Keyreeve", null, null, null);

    /// <summary>Takes checked values.</summary>
    /// <param name="name">Shown in the header and the tab.</param>
    /// <param name="color">The accent colour, or null for ours.</param>
    /// <param name="logo">The logo's octets with their media type, or null for ours.</param>
    /// <param name="supportUrl">https or mailto, or null.</param>
    public Branding(string name, BrandColor? color, (string ContentType, byte[] Content)? logo, string? supportUrl)
    {
        (Name, SupportUrl) = (name, supportUrl);
        if (logo is { } picture)
            Logo = PageAsset.Of(picture.ContentType == "image/png" ? "brand.png" : "brand.svg", picture.ContentType, picture.Content);
        if (color is not null)
            Css = PageAsset.Of("brand.css", "text/css; charset=utf-8", Encoding.ASCII.GetBytes(color.Css));
    }

    /// <summary>The name in the header of every page.</summary>
    public string Name { get; }

    /// <summary>Where people find help, or null.</summary>
    public string? SupportUrl { get; }

    internal PageAsset? Logo { get; }

    internal PageAsset? Css { get; }

    /// <summary>The media type of a logo by its first octets, or null for what is neither PNG nor SVG.</summary>
    public static string? LogoTypeOf(ReadOnlySpan<byte> content) =>
        content.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]) ? "image/png"
        : Encoding.UTF8.GetString(content[..Math.Min(content.Length, 1024)]).TrimStart('\uFEFF', ' ', '\t', '\r', '\n') is var text
          && (text.StartsWith("<svg", StringComparison.Ordinal) || text.StartsWith("<?xml", StringComparison.Ordinal) && text.Contains("<svg", StringComparison.Ordinal)) ? "image/svg+xml"
        : null;
}

/// <summary>
/// An accent colour that can be read: whatever was chosen is made darker for the light scheme and lighter for the dark one until its
/// contrast with what it stands on is 4.5 to 1 (WCAG 2.2, 1.4.3).
/// </summary>
public sealed class BrandColor
{
    private const double Enough = 4.5;

    // The least favourable backgrounds of app.css: text in the accent colour stands on --soft, button texts on the accent.
    private static readonly Rgb LightGround = new(0xf3, 0xf5, 0xf7);
    private static readonly Rgb DarkGround = new(0x18, 0x21, 0x2a);
    private static readonly Rgb White = new(0xff, 0xff, 0xff);
    private static readonly Rgb Ink = new(0x0b, 0x1a, 0x26);

    private BrandColor(Rgb light, Rgb dark) => (Light, Dark) = (light, dark);

    private Rgb Light { get; }

    private Rgb Dark { get; }

    /// <summary>The accent colours in use, as #rrggbb: on light pages and on dark ones.</summary>
    public (string Light, string Dark) Used => (Light.ToString(), Dark.ToString());

    /// <summary>The style sheet that follows ours.</summary>
    internal string Css => $$"""
        :root { --accent: {{Light}}; --accent-strong: {{Light.Towards(Ink, 0.25)}}; --on-accent: {{White}}; }
        @media (prefers-color-scheme: dark) {
          :root { --accent: {{Dark}}; --accent-strong: {{Dark.Towards(White, 0.3)}}; --on-accent: {{Ink}}; }
        }

        """;

    /// <summary>Reads #rrggbb; null for anything else.</summary>
    public static BrandColor? TryRead(string text)
    {
        if (text.Length != 7 || text[0] != '#' || !int.TryParse(text.AsSpan(1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            return null;
        var chosen = new Rgb((byte)(value >> 16), (byte)(value >> 8), (byte)value);
        return new(Until(chosen, Ink, c => Contrast(c, LightGround) >= Enough && Contrast(c, White) >= Enough),
            Until(chosen, White, c => Contrast(c, DarkGround) >= Enough && Contrast(c, Ink) >= Enough));
    }

    /// <summary>The contrast of two colours, 1 to 21.</summary>
    public static double Contrast(string one, string other) => Contrast(Rgb.Read(one), Rgb.Read(other));

    private static Rgb Until(Rgb color, Rgb end, Func<Rgb, bool> readable)
    {
        for (var share = 0.0; share < 1; share += 0.02)
            if (color.Towards(end, share) is var mixed && readable(mixed))
                return mixed;
        return end;
    }

    private static double Contrast(Rgb one, Rgb other)
    {
        var (a, b) = (one.Luminance, other.Luminance);
        return (Math.Max(a, b) + 0.05) / (Math.Min(a, b) + 0.05);
    }

    private readonly record struct Rgb(byte Red, byte Green, byte Blue)
    {
        public double Luminance => 0.2126 * Linear(Red) + 0.7152 * Linear(Green) + 0.0722 * Linear(Blue);

        public static Rgb Read(string text) => new(Convert.ToByte(text[1..3], 16), Convert.ToByte(text[3..5], 16), Convert.ToByte(text[5..7], 16));

        public Rgb Towards(Rgb end, double share) => new(Mix(Red, end.Red, share), Mix(Green, end.Green, share), Mix(Blue, end.Blue, share));

        public override string ToString() => $"#{Red:x2}{Green:x2}{Blue:x2}";

        private static byte Mix(byte from, byte to, double share) => (byte)Math.Round(from + (to - from) * share);

        private static double Linear(byte part) => part / 255.0 is var c && c <= 0.04045 ? c / 12.92 : Math.Pow((c + 0.055) / 1.055, 2.4);
    }
}

/// <summary>A file that pages refer to, under a path that holds the start of its SHA-256.</summary>
internal sealed record PageAsset(string Path, string ContentType, byte[] Content)
{
    public static PageAsset Of(string name, string contentType, byte[] content)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(content))[..8];
        return new("/assets/" + System.IO.Path.GetFileNameWithoutExtension(name) + "." + hash + System.IO.Path.GetExtension(name), contentType, content);
    }
}
